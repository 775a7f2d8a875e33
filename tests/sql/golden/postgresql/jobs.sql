-- set_max_lost
UPDATE "visor_job" SET "max_lost" = $1 WHERE "id" = $2;

-- count_uncounted
UPDATE "visor_job" SET "uncounted" = coalesce("uncounted", 0) + 1 WHERE "id" = $1;

-- insert_job
INSERT INTO "visor_job" ("id", "run_at", "created_at", "priority", "max_attempts", "payload", "type", "queue", "schedule", "planned_at", "owner") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- insert_new_job
INSERT INTO "visor_job" ("id", "run_at", "created_at", "priority", "max_attempts", "payload", "type", "queue", "schedule", "planned_at", "owner") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING;

-- insert_ready
INSERT INTO "visor_ready" ("run_at", "job", "priority", "attempt", "queue") VALUES ($1, $2, $3, $4, $5);

-- insert_scheduled
INSERT INTO "visor_scheduled" ("run_at", "job", "priority", "attempt", "queue") VALUES ($1, $2, $3, $4, $5);

-- insert_waiting
INSERT INTO "visor_waiting" ("blocker", "job", "run_at", "priority", "attempt", "queue") VALUES ($1, $2, $3, $4, $5, $6);

-- insert_dead
INSERT INTO "visor_dead" ("job", "died_at", "attempts", "error") VALUES ($1, $2, $3, $4);

-- insert_new_cancel
INSERT INTO "visor_cancel" ("job", "requested_at") VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- front_of_queue
WITH taken AS MATERIALIZED (SELECT ctid AS place FROM "visor_ready" WHERE "queue" = $1 AND ("priority", "run_at", "job") > ($2, $3, $4) ORDER BY "priority", "run_at", "job" LIMIT $5 FOR UPDATE SKIP LOCKED), removed AS (DELETE FROM "visor_ready" WHERE ctid = ANY(ARRAY(SELECT place FROM taken)) RETURNING "queue", "priority", "run_at", "job", "attempt") SELECT j."id", r."attempt", j."type", r."queue", r."priority", CASE WHEN octet_length(j."payload") <= $6 THEN j."payload" ELSE '' END AS "payload", j."max_attempts", j."schedule", j."planned_at", r."run_at", j."created_at", j."uncounted" FROM removed r JOIN "visor_job" j ON j."id" = r."job" ORDER BY r."priority", r."run_at", r."job" LIMIT $7;

-- ready_jobs
SELECT j."id", r."attempt", j."type", r."queue", r."priority", CASE WHEN octet_length(j."payload") <= $1 THEN j."payload" ELSE '' END AS "payload", j."max_attempts", j."schedule", j."planned_at", r."run_at", j."created_at", j."uncounted" FROM "visor_ready" r JOIN "visor_job" j ON j."id" = r."job" WHERE r."queue" = $2 ORDER BY r."priority", r."run_at", r."job" LIMIT $3 FOR UPDATE SKIP LOCKED;

-- find_payload
SELECT "payload" FROM "visor_job" WHERE "id" = $1;

-- remove_front
DELETE FROM "visor_ready" WHERE "queue" = $1 AND ("priority", "run_at", "job") <= ($2, $3, $4);

-- remove_ready
DELETE FROM "visor_ready" WHERE "queue" = $1 AND "priority" = $2 AND "run_at" = $3 AND "job" = $4;

-- remove_retried_ready
DELETE FROM "visor_ready" WHERE "queue" = $1 AND "priority" = $2 AND "job" = $3;

-- remove_scheduled
DELETE FROM "visor_scheduled" WHERE "job" = $1;

-- remove_waiting
DELETE FROM "visor_waiting" WHERE "job" = $1;

-- remove_dead
DELETE FROM "visor_dead" WHERE "job" = $1;

-- remove_cancel
DELETE FROM "visor_cancel" WHERE "job" = $1;

-- put_ready
INSERT INTO "visor_ready" ("queue", "priority", "run_at", "job", "attempt") SELECT "queue", "priority", coalesce($1, "run_at"), "id", $2 FROM "visor_job" WHERE "id" = $3;

-- put_scheduled
INSERT INTO "visor_scheduled" ("run_at", "job", "queue", "priority", "attempt") SELECT coalesce($1, "run_at"), "id", "queue", "priority", $2 FROM "visor_job" WHERE "id" = $3;

-- find_facts
SELECT "queue", "priority", "run_at", "max_attempts", "schedule", "max_lost" FROM "visor_job" WHERE "id" = $1;

-- due_jobs
SELECT "run_at", "job", "priority", "attempt", "queue" FROM "visor_scheduled" WHERE "run_at" <= $1 ORDER BY "run_at", "job" LIMIT $2 FOR UPDATE SKIP LOCKED;

-- remove_due
DELETE FROM "visor_scheduled" WHERE "run_at" = $1 AND "job" = $2;

-- next_scheduled
SELECT "run_at" FROM "visor_scheduled" ORDER BY "run_at", "job" LIMIT $1;

-- next_scheduled_jobs
SELECT "run_at", "job" FROM "visor_scheduled" ORDER BY "run_at", "job" LIMIT $1;

-- any_waiting
SELECT "job" FROM "visor_waiting" ORDER BY "blocker", "job" LIMIT $1;

-- waiting_behind
SELECT "blocker", "job", "run_at", "priority", "attempt", "queue" FROM "visor_waiting" WHERE "blocker" = $1 ORDER BY "job";

-- stranded_waiting
SELECT "blocker", "job", "run_at", "priority", "attempt", "queue" FROM "visor_waiting" w WHERE EXISTS (SELECT 1 FROM "visor_attempt" a WHERE a."job" = w."blocker" AND a."final_state" IS NOT NULL) ORDER BY "blocker", "job";

-- remove_waiting_behind
DELETE FROM "visor_waiting" WHERE "blocker" = $1;

-- find_waiting
SELECT "blocker", "job", "run_at", "priority", "attempt", "queue" FROM "visor_waiting" WHERE "job" = $1;

-- cancels
SELECT "job" FROM "visor_cancel" ORDER BY "job" LIMIT $1;

-- find_cancel
SELECT "job" FROM "visor_cancel" WHERE "job" = $1;

