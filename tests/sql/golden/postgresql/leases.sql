-- insert_attempt
INSERT INTO "visor_attempt" ("job", "lease", "epoch", "started_at", "finished_at", "number", "node", "outcome", "final_state", "error", "output") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- insert_new_attempt
INSERT INTO "visor_attempt" ("job", "lease", "epoch", "started_at", "finished_at", "number", "node", "outcome", "final_state", "error", "output") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING;

-- insert_lease
INSERT INTO "visor_lease" ("id", "node", "epoch", "taken_at", "jobs", "limited") VALUES ($1, $2, $3, $4, $5, $6);

-- attempts_of
SELECT "job", "lease", "epoch", "started_at", "finished_at", "number", "node", coalesce("outcome", 'completed') AS "outcome", "final_state", "error", "output" FROM "visor_attempt" WHERE "job" = $1 ORDER BY "number";

-- accepted_before
SELECT "job" FROM "visor_attempt" WHERE "job" = $1 AND "number" = $2 AND "lease" = $3 AND ("outcome" IS NULL OR "outcome" <> 'lost');

-- next_attempt_number
SELECT coalesce(max("number"), 0) + 1 AS "number" FROM "visor_attempt" WHERE "job" = $1;

-- latest_attempts
SELECT coalesce("outcome", 'completed') AS "outcome", "node", "epoch" FROM "visor_attempt" WHERE "job" = $1 ORDER BY "number" DESC LIMIT $2;

-- reopen_job
UPDATE "visor_attempt" SET "final_state" = NULL WHERE "job" = $1 AND "final_state" IS NOT NULL;

-- find_lease
SELECT "epoch" FROM "visor_lease" WHERE "id" = $1 AND "node" = $2 AND "epoch" <= $3 FOR UPDATE;

-- open_jobs
SELECT CAST(e.value AS bigint) AS "job", (SELECT coalesce(max(a."number"), 0) + 1 FROM "visor_attempt" a WHERE a."job" = CAST(e.value AS bigint)) AS "number" FROM "visor_lease" l, jsonb_array_elements_text(CAST(l."jobs" AS jsonb)) e WHERE l."id" = $1 AND (SELECT max(a."number") FROM "visor_attempt" a WHERE a."job" = CAST(e.value AS bigint) AND a."lease" = l."id") IS NULL;

-- narrow_lease
UPDATE "visor_lease" SET "jobs" = $1 WHERE "id" = $2;

-- remove_lease
DELETE FROM "visor_lease" WHERE "id" = $1;

-- leases_of_node
SELECT "id", "epoch", "taken_at" FROM "visor_lease" WHERE "node" = $1 AND "epoch" <= $2 ORDER BY "id";

-- stranded_leases
SELECT l."node", MAX(coalesce(n."epoch", l."epoch")) AS "epoch" FROM "visor_lease" l LEFT JOIN "visor_node" n ON n."name" = l."node" WHERE n."state" IS NULL OR n."state" = 'offline' GROUP BY l."node" ORDER BY l."node";

-- insert_node
INSERT INTO "visor_node" ("name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "requested_state", "resources", "token", "survived") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- update_node
UPDATE "visor_node" SET "address" = $1, "state" = $2, "epoch" = $3, "lease_until" = $4, "exclusive" = $5, "slots" = $6, "started_at" = $7, "version" = $8, "queues" = $9, "capabilities" = $10, "requested_state" = $11, "resources" = $12, "token" = $13, "survived" = $14 WHERE "name" = $15;

-- all_nodes
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "requested_state", "resources", "token", "survived" FROM "visor_node" ORDER BY "name";

-- find_node
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "requested_state", "resources", "token", "survived" FROM "visor_node" WHERE "name" = $1;

-- remove_node
DELETE FROM "visor_node" WHERE "name" = $1;

-- request_state
UPDATE "visor_node" SET "requested_state" = $1 WHERE "name" = $2;

-- current_node
SELECT "lease_until", "exclusive" FROM "visor_node" WHERE "name" = $1 AND "epoch" = $2 AND "state" <> 'offline';

-- renew_node
UPDATE "visor_node" SET "lease_until" = clock_timestamp() + $1 * interval '1 microsecond', "state" = $2, "token" = $3 WHERE "name" = $4 AND "epoch" = $5 AND ("exclusive" = $6 OR "lease_until" > clock_timestamp()) AND "token" IN ($7, $8) AND "state" <> 'offline';

-- renew_node_at
UPDATE "visor_node" SET "lease_until" = $1, "state" = $2, "token" = $3 WHERE "name" = $4 AND "epoch" = $5 AND ("exclusive" = $6 OR "lease_until" > $7) AND "token" IN ($8, $9) AND "state" <> 'offline';

-- find_beat
SELECT "epoch", "lease_until", "state", "token" FROM "visor_node" WHERE "name" = $1;

-- leave_node
UPDATE "visor_node" SET "lease_until" = $1, "state" = 'offline' WHERE "name" = $2 AND "epoch" = $3 AND "state" <> 'offline';

-- note_survived
UPDATE "visor_node" SET "survived" = $1 WHERE "name" = $2;

-- lapse_node
UPDATE "visor_node" SET "epoch" = "epoch" + 1, "state" = 'offline' WHERE "name" = $1 AND "epoch" = $2 AND "lease_until" <= $3;

-- cut_lease
UPDATE "visor_node" SET "lease_until" = $1 WHERE "name" = $2 AND "epoch" = $3 AND "lease_until" > $4;

-- insert_new_sequence
INSERT INTO "visor_sequence" ("name", "next") VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- advance_sequence
UPDATE "visor_sequence" SET "next" = "next" + $1 WHERE "name" = $2;

-- step_sequence
UPDATE "visor_sequence" SET "next" = "next" + $1 WHERE "name" = $2 AND "next" = $3;

-- read_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = $1;

