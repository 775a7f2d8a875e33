-- insert_new_schedule
INSERT INTO "visor_schedule" ("id", "origin", "expression", "zone", "type", "payload", "queue", "priority", "max_attempts", "misfire", "misfire_limit", "misfire_window", "overlap", "max_failures", "owner", "description", "phrase", "output", "state", "next_at", "last_at", "last_job", "run_count", "failure_count", "last_error", "created_at", "updated_at", "version", "max_lost", "set_name", "digest", "retired_at", "dst_gap", "dst_overlap", "anchor") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35) ON CONFLICT DO NOTHING;

-- update_schedule
UPDATE "visor_schedule" SET "origin" = $1, "expression" = $2, "zone" = $3, "type" = $4, "payload" = $5, "queue" = $6, "priority" = $7, "max_attempts" = $8, "misfire" = $9, "misfire_limit" = $10, "misfire_window" = $11, "overlap" = $12, "max_failures" = $13, "owner" = $14, "description" = $15, "phrase" = $16, "output" = $17, "state" = $18, "next_at" = $19, "last_at" = $20, "last_job" = $21, "run_count" = $22, "failure_count" = $23, "last_error" = $24, "created_at" = $25, "updated_at" = $26, "version" = $27, "max_lost" = $28, "set_name" = $29, "digest" = $30, "retired_at" = $31, "dst_gap" = $32, "dst_overlap" = $33, "anchor" = $34 WHERE "id" = $35;

-- find_schedule
SELECT "id", "origin", "expression", "zone", "type", "payload", "queue", "priority", "max_attempts", "misfire", "misfire_limit", "misfire_window", "overlap", "max_failures", "owner", "description", "phrase", "output", "state", "next_at", "last_at", "last_job", "run_count", "failure_count", "last_error", "created_at", "updated_at", "version", "max_lost", "set_name", "digest", "retired_at", "dst_gap", "dst_overlap", "anchor" FROM "visor_schedule" WHERE "id" = $1 AND "retired_at" IS NULL;

-- find_any_schedule
SELECT "id", "origin", "expression", "zone", "type", "payload", "queue", "priority", "max_attempts", "misfire", "misfire_limit", "misfire_window", "overlap", "max_failures", "owner", "description", "phrase", "output", "state", "next_at", "last_at", "last_job", "run_count", "failure_count", "last_error", "created_at", "updated_at", "version", "max_lost", "set_name", "digest", "retired_at", "dst_gap", "dst_overlap", "anchor" FROM "visor_schedule" WHERE "id" = $1;

-- remove_schedule
DELETE FROM "visor_schedule" WHERE "id" = $1 AND "retired_at" IS NULL;

-- remove_retired_schedule
DELETE FROM "visor_schedule" WHERE "id" = $1 AND "retired_at" IS NOT NULL;

-- pending_work
SELECT (SELECT min("next_at") FROM "visor_schedule" WHERE "state" = 'active') AS "next_fire", (SELECT min("run_at") FROM "visor_scheduled") AS "next_job", (SELECT min("queue") FROM "visor_ready") AS "queue", (SELECT count(*) FROM "visor_type_limit") AS "lanes", (SELECT max("version") FROM "visor_migration") AS "schema";

-- due_schedules
SELECT "id", "origin", "expression", "zone", "type", "payload", "queue", "priority", "max_attempts", "misfire", "misfire_limit", "misfire_window", "overlap", "max_failures", "owner", "description", "phrase", "output", "state", "next_at", "last_at", "last_job", "run_count", "failure_count", "last_error", "created_at", "updated_at", "version", "max_lost", "set_name", "digest", "retired_at", "dst_gap", "dst_overlap", "anchor" FROM "visor_schedule" WHERE "state" = 'active' AND "next_at" <= $1 ORDER BY "next_at", "id" LIMIT $2;

-- due_schedules_after
SELECT "id", "origin", "expression", "zone", "type", "payload", "queue", "priority", "max_attempts", "misfire", "misfire_limit", "misfire_window", "overlap", "max_failures", "owner", "description", "phrase", "output", "state", "next_at", "last_at", "last_job", "run_count", "failure_count", "last_error", "created_at", "updated_at", "version", "max_lost", "set_name", "digest", "retired_at", "dst_gap", "dst_overlap", "anchor" FROM "visor_schedule" WHERE "state" = 'active' AND "next_at" <= $1 AND "next_at" >= $2 AND ("next_at" > $3 OR "id" > $4) ORDER BY "next_at", "id" LIMIT $5;

-- next_due_schedule
SELECT "next_at" FROM "visor_schedule" WHERE "state" = 'active' AND "next_at" > $1 ORDER BY "next_at", "id" LIMIT $2;

-- list_schedules
SELECT "id", "origin", "expression", "zone", "type", "payload", "queue", "priority", "max_attempts", "misfire", "misfire_limit", "misfire_window", "overlap", "max_failures", "owner", "description", "phrase", "output", "state", "next_at", "last_at", "last_job", "run_count", "failure_count", "last_error", "created_at", "updated_at", "version", "max_lost", "set_name", "digest", "retired_at", "dst_gap", "dst_overlap", "anchor" FROM "visor_schedule" WHERE "id" >= $1 AND ($2 IS NULL OR "id" < $3) AND ($4 IS NULL OR "id" <> $5) AND ($6 IS NULL OR "state" = $7) AND ($8 IS NULL OR "state" <> $9) AND ($10 IS NULL OR "owner" = $11) AND "retired_at" IS NULL ORDER BY "id" LIMIT $12;

-- advance_schedule
UPDATE "visor_schedule" SET "next_at" = $1, "state" = $2, "last_at" = $3, "last_job" = $4, "run_count" = "run_count" + $5 WHERE "id" = $6;

-- job_completed
UPDATE "visor_schedule" SET "failure_count" = 0 WHERE "id" = $1 AND "failure_count" <> 0;

-- job_failed
UPDATE "visor_schedule" SET "state" = CASE WHEN "state" = 'active' AND "max_failures" > 0 AND "failure_count" + 1 >= "max_failures" THEN 'failed' ELSE "state" END, "last_error" = $1, "failure_count" = "failure_count" + 1 WHERE "id" = $2;

-- insert_fire
INSERT INTO "visor_fire" ("schedule", "planned_at", "fired_at", "node", "result", "job") VALUES ($1, $2, $3, $4, $5, $6);

-- find_fire
SELECT "result" FROM "visor_fire" WHERE "schedule" = $1 AND "planned_at" = $2;

-- replace_missed_fire
UPDATE "visor_fire" SET "fired_at" = $1, "node" = $2, "result" = $3, "job" = $4, "reason" = NULL WHERE "schedule" = $5 AND "planned_at" = $6;

-- insert_new_fire
INSERT INTO "visor_fire" ("schedule", "planned_at", "fired_at", "node", "result", "reason") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- acted_on
SELECT "planned_at" FROM "visor_fire" WHERE "schedule" = $1 AND "planned_at" > $2 AND "result" <> 'missed' ORDER BY "planned_at" LIMIT $3;

-- correct_next
UPDATE "visor_schedule" SET "next_at" = $1 WHERE "id" = $2 AND "version" = $3 AND "next_at" = $4 AND "state" = 'active';

-- fires_of
SELECT "schedule", "planned_at", "fired_at", "node", "result", "job", "reason" FROM "visor_fire" WHERE "schedule" = $1 ORDER BY "planned_at" DESC LIMIT $2;

