-- insert_node_type
INSERT INTO "visor_node_type" ("node", "type", "epoch") VALUES ($1, $2, $3);

-- all_node_types
SELECT "node", "type", "epoch" FROM "visor_node_type" ORDER BY "node", "type";

-- types_of_node
SELECT "node", "type", "epoch" FROM "visor_node_type" WHERE "node" = $1;

-- remove_node_type
DELETE FROM "visor_node_type" WHERE "node" = $1 AND "type" = $2;

-- insert_type_limit
INSERT INTO "visor_type_limit" ("type", "concurrency", "key_concurrency", "rate", "key_rate", "per") VALUES ($1, $2, $3, $4, $5, $6);

-- insert_new_type_limit
INSERT INTO "visor_type_limit" ("type", "concurrency", "key_concurrency", "rate", "key_rate", "per") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- update_type_limit
UPDATE "visor_type_limit" SET "concurrency" = $1, "key_concurrency" = $2, "rate" = $3, "key_rate" = $4, "per" = $5 WHERE "type" = $6;

-- all_limits
SELECT "type", "concurrency", "key_concurrency", "rate", "key_rate", "per" FROM "visor_type_limit" ORDER BY "type";

-- find_limit
SELECT "type", "concurrency", "key_concurrency", "rate", "key_rate", "per" FROM "visor_type_limit" WHERE "type" = $1 FOR UPDATE;

-- running_of_type
SELECT j."queue" AS "queue", count(*) AS "jobs" FROM "visor_lease" l, jsonb_array_elements_text(CAST(l."jobs" AS jsonb)) e, "visor_job" j WHERE l."limited" = $1 AND j."id" = CAST(e.value AS bigint) AND (SELECT max(a."number") FROM "visor_attempt" a WHERE a."job" = CAST(e.value AS bigint) AND a."lease" = l."id") IS NULL GROUP BY j."queue";

-- claims_of_type
SELECT "queue", "taken_at", "jobs" FROM "visor_claim" WHERE "type" = $1 AND "taken_at" > $2;

-- forget_claims
DELETE FROM "visor_claim" WHERE "type" = $1 AND "taken_at" <= $2;

-- insert_claim
INSERT INTO "visor_claim" ("type", "taken_at", "lease", "number", "queue", "jobs") VALUES ($1, $2, $3, $4, $5, $6);

-- next_queue
SELECT "queue" FROM "visor_ready" WHERE "queue" > $1 AND "queue" < $2 ORDER BY "queue", "priority", "run_at", "job" LIMIT $3;

-- move_job
UPDATE "visor_job" SET "queue" = $1 WHERE "id" = $2;

