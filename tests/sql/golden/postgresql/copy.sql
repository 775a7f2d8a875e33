-- insert_job
COPY "visor_job" ("id", "run_at", "created_at", "priority", "max_attempts", "payload", "type", "queue", "schedule", "planned_at", "owner") FROM STDIN (FORMAT binary);

-- insert_ready
COPY "visor_ready" ("run_at", "job", "priority", "attempt", "queue") FROM STDIN (FORMAT binary);

-- insert_scheduled
COPY "visor_scheduled" ("run_at", "job", "priority", "attempt", "queue") FROM STDIN (FORMAT binary);

