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

-- insert_node
INSERT INTO "visor_node" ("name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "wish", "resources") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13);

-- update_node
UPDATE "visor_node" SET "address" = $1, "state" = $2, "epoch" = $3, "lease_until" = $4, "exclusive" = $5, "slots" = $6, "started_at" = $7, "version" = $8, "queues" = $9, "capabilities" = $10, "wish" = $11, "resources" = $12 WHERE "name" = $13;

-- all_nodes
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "wish", "resources" FROM "visor_node" ORDER BY "name";

-- find_node
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "wish", "resources" FROM "visor_node" WHERE "name" = $1;

-- remove_node
DELETE FROM "visor_node" WHERE "name" = $1;

-- set_wish
UPDATE "visor_node" SET "wish" = $1 WHERE "name" = $2;

-- current_node
SELECT "lease_until" FROM "visor_node" WHERE "name" = $1 AND "epoch" = $2 AND "state" <> 'offline';

-- renew_node
UPDATE "visor_node" SET "lease_until" = $1, "state" = $2 WHERE "name" = $3 AND "epoch" = $4 AND "lease_until" > $5 AND "state" <> 'offline';

-- leave_node
UPDATE "visor_node" SET "lease_until" = $1, "state" = 'offline' WHERE "name" = $2 AND "epoch" = $3 AND "state" <> 'offline';

-- lapse_node
UPDATE "visor_node" SET "epoch" = "epoch" + 1, "state" = 'offline' WHERE "name" = $1 AND "epoch" = $2;

-- insert_new_sequence
INSERT INTO "visor_sequence" ("name", "next") VALUES ($1, $2) ON CONFLICT DO NOTHING;

-- advance_sequence
UPDATE "visor_sequence" SET "next" = "next" + $1 WHERE "name" = $2;

-- read_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = $1;

