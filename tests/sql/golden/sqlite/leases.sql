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

-- latest_attempts
SELECT coalesce("outcome", 'completed') AS "outcome", "node", "epoch" FROM "visor_attempt" WHERE "job" = ? ORDER BY "number" DESC LIMIT ?;

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

-- stranded_leases
SELECT l."node", MAX(coalesce(n."epoch", l."epoch")) AS "epoch" FROM "visor_lease" l LEFT JOIN "visor_node" n ON n."name" = l."node" WHERE n."state" IS NULL OR n."state" = 'offline' GROUP BY l."node" ORDER BY l."node";

-- insert_node
INSERT INTO "visor_node" ("name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "requested_state", "resources", "token", "survived") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- update_node
UPDATE "visor_node" SET "address" = ?, "state" = ?, "epoch" = ?, "lease_until" = ?, "exclusive" = ?, "slots" = ?, "started_at" = ?, "version" = ?, "queues" = ?, "capabilities" = ?, "requested_state" = ?, "resources" = ?, "token" = ?, "survived" = ? WHERE "name" = ?;

-- all_nodes
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "requested_state", "resources", "token", "survived" FROM "visor_node" ORDER BY "name";

-- find_node
SELECT "name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "requested_state", "resources", "token", "survived" FROM "visor_node" WHERE "name" = ?;

-- remove_node
DELETE FROM "visor_node" WHERE "name" = ?;

-- request_state
UPDATE "visor_node" SET "requested_state" = ? WHERE "name" = ?;

-- current_node
SELECT "lease_until", "exclusive" FROM "visor_node" WHERE "name" = ? AND "epoch" = ? AND "state" <> 'offline';

-- renew_node
UPDATE "visor_node" SET "lease_until" = ? + ?, "state" = ?, "token" = ? WHERE "name" = ? AND "epoch" = ? AND ("exclusive" = ? OR "lease_until" > ?) AND "token" IN (?, ?) AND "state" <> 'offline';

-- renew_node_at
UPDATE "visor_node" SET "lease_until" = ?, "state" = ?, "token" = ? WHERE "name" = ? AND "epoch" = ? AND ("exclusive" = ? OR "lease_until" > ?) AND "token" IN (?, ?) AND "state" <> 'offline';

-- find_beat
SELECT "epoch", "lease_until", "state", "token" FROM "visor_node" WHERE "name" = ?;

-- leave_node
UPDATE "visor_node" SET "lease_until" = ?, "state" = 'offline' WHERE "name" = ? AND "epoch" = ? AND "state" <> 'offline';

-- note_survived
UPDATE "visor_node" SET "survived" = ? WHERE "name" = ?;

-- lapse_node
UPDATE "visor_node" SET "epoch" = "epoch" + 1, "state" = 'offline' WHERE "name" = ? AND "epoch" = ? AND "lease_until" <= ?;

-- cut_lease
UPDATE "visor_node" SET "lease_until" = ? WHERE "name" = ? AND "epoch" = ? AND "lease_until" > ?;

-- insert_new_sequence
INSERT INTO "visor_sequence" ("name", "next") VALUES (?, ?) ON CONFLICT DO NOTHING;

-- advance_sequence
UPDATE "visor_sequence" SET "next" = "next" + ? WHERE "name" = ?;

-- step_sequence
UPDATE "visor_sequence" SET "next" = "next" + ? WHERE "name" = ? AND "next" = ?;

-- read_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = ?;

