-- insert_job
COPY "visor_job" ("id", "type", "queue", "priority", "payload", "max_attempts", "schedule", "planned_at", "owner", "run_at", "created_at") FROM STDIN (FORMAT binary);

-- insert_ready
COPY "visor_ready" ("queue", "priority", "run_at", "job", "attempt") FROM STDIN (FORMAT binary);

-- insert_scheduled
COPY "visor_scheduled" ("run_at", "job", "queue", "priority", "attempt") FROM STDIN (FORMAT binary);

