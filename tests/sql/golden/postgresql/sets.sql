-- declared_digests
SELECT DISTINCT "digest" FROM "visor_declaration" WHERE "origin" = $1 AND "set_name" = $2 ORDER BY "digest";

-- all_declarations
SELECT "node", "origin", "set_name", "declared_at", "digest" FROM "visor_declaration" ORDER BY "node", "origin", "set_name";

-- remove_declarations
DELETE FROM "visor_declaration" WHERE "node" = $1;

-- insert_declaration
INSERT INTO "visor_declaration" ("node", "origin", "set_name", "declared_at", "digest") VALUES ($1, $2, $3, $4, $5);

-- insert_new_manifest
INSERT INTO "visor_manifest" ("digest", "origin", "set_name", "declared_at", "parts") VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- touch_manifest
UPDATE "visor_manifest" SET "declared_at" = $1 WHERE "digest" = $2;

-- manifests_of_set
SELECT "digest" FROM "visor_manifest" WHERE "origin" = $1 AND "set_name" = $2 ORDER BY "declared_at" DESC, "digest";

-- remove_manifest
DELETE FROM "visor_manifest" WHERE "digest" = $1;

-- insert_new_manifest_part
INSERT INTO "visor_manifest_part" ("digest", "part", "written_at", "entries") VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- count_manifest_parts
SELECT count(*) AS "parts" FROM "visor_manifest_part" WHERE "digest" = $1;

-- manifest_parts
SELECT m."parts", p."entries" FROM "visor_manifest" m JOIN "visor_manifest_part" p ON p."digest" = m."digest" WHERE m."digest" = $1 ORDER BY p."part";

-- remove_manifest_parts
DELETE FROM "visor_manifest_part" WHERE "digest" = $1;

-- remove_stray_parts
DELETE FROM "visor_manifest_part" WHERE "written_at" < $1 AND NOT EXISTS (SELECT 1 FROM "visor_manifest" m WHERE m."digest" = "visor_manifest_part"."digest");

-- schedule_digests
SELECT "id", "set_name", "digest", "version", "retired_at" FROM "visor_schedule" WHERE "origin" = $1 ORDER BY "id";

-- redefine_schedule
UPDATE "visor_schedule" SET "state" = CASE WHEN "state" = 'completed' THEN $1 ELSE "state" END, "version" = "version" + 1, "expression" = $2, "zone" = $3, "type" = $4, "payload" = $5, "queue" = $6, "priority" = $7, "max_attempts" = $8, "misfire" = $9, "misfire_limit" = $10, "misfire_window" = $11, "overlap" = $12, "max_failures" = $13, "owner" = $14, "description" = $15, "phrase" = $16, "output" = $17, "next_at" = $18, "updated_at" = $19, "max_lost" = $20, "digest" = $21, "dst_gap" = $22, "dst_overlap" = $23, "anchor" = $24 WHERE "id" = $25 AND "version" = $26 AND "retired_at" IS NULL AND "digest" <> $27;

-- retire_schedule
UPDATE "visor_schedule" SET "retired_at" = $1, "next_at" = NULL, "version" = "version" + 1 WHERE "id" = $2 AND "version" = $3 AND "retired_at" IS NULL;

