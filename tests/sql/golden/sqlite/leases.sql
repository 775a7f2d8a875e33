-- insert_attempt
INSERT INTO "visor_attempt" ("job", "lease", "epoch", "started_at", "finished_at", "number", "node", "outcome", "final_state", "error", "output") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- insert_new_attempt
INSERT INTO "visor_attempt" ("job", "lease", "epoch", "started_at", "finished_at", "number", "node", "outcome", "final_state", "error", "output") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING;

-- insert_lease
INSERT INTO "visor_lease" ("id", "node", "epoch", "taken_at", "jobs", "limited") VALUES (?, ?, ?, ?, ?, ?);

-- attempts_of
SELECT "job", "lease", "epoch", "started_at", "finished_at", "number", "node", coalesce("outcome", 'completed') AS "outcome", "final_state", "error", "output" FROM "visor_attempt" WHERE "job" = ? ORDER BY "number";

-- accepted_before
SELECT "job" FROM "visor_attempt" WHERE "job" = ? AND "number" = ? AND "lease" = ? AND ("outcome" IS NULL OR "outcome" <> 'lost');

-- next_attempt_number
SELECT coalesce(max("number"), 0) + 1 AS "number" FROM "visor_attempt" WHERE "job" = ?;

-- reopen_job
UPDATE "visor_attempt" SET "final_state" = NULL WHERE "job" = ? AND "final_state" IS NOT NULL;

-- find_lease
SELECT "epoch" FROM "visor_lease" WHERE "id" = ? AND "node" = ? AND "epoch" <= ?;

-- open_jobs
SELECT e.value AS "job", (SELECT coalesce(max(a."number"), 0) + 1 FROM "visor_attempt" a WHERE a."job" = e.value) AS "number" FROM "visor_lease" l, json_each(l."jobs") e WHERE l."id" = ? AND (SELECT max(a."number") FROM "visor_attempt" a WHERE a."job" = e.value AND a."lease" = l."id") IS NULL;

-- narrow_lease
UPDATE "visor_lease" SET "jobs" = ? WHERE "id" = ?;

-- remove_lease
DELETE FROM "visor_lease" WHERE "id" = ?;

-- leases_of_node
SELECT "id", "epoch", "taken_at" FROM "visor_lease" WHERE "node" = ? AND "epoch" <= ? ORDER BY "id";

-- insert_node
INSERT INTO "visor_node" ("name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "wish", "resources") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- update_node
UPDATE "visor_node" SET "address" = ?, "state" = ?, "epoch" = ?, "lease_until" = ?, "exclusive" = ?, "slots" = ?, "started_at" = ?, "version" = ?, "queues" = ?, "capabilities" = ?, "wish" = ?, "resources" = ? WHERE "name" = ?;

-- all_nodes
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "wish", "resources" FROM "visor_node" ORDER BY "name";

-- find_node
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "wish", "resources" FROM "visor_node" WHERE "name" = ?;

-- remove_node
DELETE FROM "visor_node" WHERE "name" = ?;

-- set_wish
UPDATE "visor_node" SET "wish" = ? WHERE "name" = ?;

-- current_node
SELECT "lease_until" FROM "visor_node" WHERE "name" = ? AND "epoch" = ? AND "state" <> 'offline';

-- renew_node
UPDATE "visor_node" SET "lease_until" = ?, "state" = ? WHERE "name" = ? AND "epoch" = ? AND "lease_until" > ? AND "state" <> 'offline';

-- leave_node
UPDATE "visor_node" SET "lease_until" = ?, "state" = 'offline' WHERE "name" = ? AND "epoch" = ? AND "state" <> 'offline';

-- lapse_node
UPDATE "visor_node" SET "epoch" = "epoch" + 1, "state" = 'offline' WHERE "name" = ? AND "epoch" = ?;

-- insert_new_sequence
INSERT INTO "visor_sequence" ("name", "next") VALUES (?, ?) ON CONFLICT DO NOTHING;

-- advance_sequence
UPDATE "visor_sequence" SET "next" = "next" + ? WHERE "name" = ?;

-- read_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = ?;

