-- insert_migration
INSERT INTO "visor_migration" ("version", "name", "checksum", "applied_at") VALUES ($1, $2, $3, $4);

-- all_migrations
SELECT "version", "name", "checksum", "applied_at" FROM "visor_migration" ORDER BY "version";

-- latest_version
SELECT max("version") AS "schema" FROM "visor_migration";

-- remove_migration
DELETE FROM "visor_migration" WHERE "version" = $1;

-- catalog
SELECT c.relname::text AS table_name, 'column' AS kind, a.attname::text AS part FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND c.relname LIKE 'visor!_%' ESCAPE '!' UNION ALL SELECT c.relname::text, 'numbered column', a.attname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attidentity <> '' AND NOT a.attisdropped JOIN pg_class s ON s.relnamespace = c.relnamespace AND s.relkind = 'S' AND s.relname = c.relname || '_' || a.attname || '_seq' WHERE n.nspname = current_schema() AND c.relname LIKE 'visor!_%' ESCAPE '!' UNION ALL SELECT c.relname::text, 'limited sequence', s.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_depend d ON d.refobjid = c.oid AND d.deptype = 'i' JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_sequence q ON q.seqrelid = s.oid AND (q.seqcycle OR q.seqmax < 9223372036854775807) WHERE n.nspname = current_schema() AND c.relname LIKE 'visor!_%' ESCAPE '!' UNION ALL SELECT c.relname::text, 'primary key', k.place || ' ' || a.attname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary CROSS JOIN unnest(i.indkey) WITH ORDINALITY k (attribute, place) JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attribute WHERE n.nspname = current_schema() AND c.relname LIKE 'visor!_%' ESCAPE '!' UNION ALL SELECT tablename::text, 'index', indexname::text FROM pg_indexes WHERE schemaname = current_schema() AND tablename LIKE 'visor!_%' ESCAPE '!' AND indexname NOT LIKE '%!_pkey' ESCAPE '!' ORDER BY 1, 2, 3;

-- any_job
SELECT "id" FROM "visor_job" ORDER BY "id" LIMIT $1;

-- working_nodes
SELECT "name", "address", "version", "lease_until" FROM "visor_node" WHERE "state" <> 'offline' ORDER BY "name";

-- raise_epochs
UPDATE "visor_node" SET "epoch" = $1;

-- lock_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = $1 FOR UPDATE;

-- find_unlocked_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = $1 FOR UPDATE SKIP LOCKED;

CREATE TABLE "visor_migration" (
  "version" integer NOT NULL,
  "name" text COLLATE "C" NOT NULL,
  "checksum" text COLLATE "C" NOT NULL,
  "applied_at" timestamptz NOT NULL,
  PRIMARY KEY ("version")
);

-- up 1: jobs, schedules and nodes, checksum d5513acc3af262a5
CREATE TABLE "visor_job" (
  "id" bigint NOT NULL,
  "run_at" timestamptz NOT NULL,
  "created_at" timestamptz NOT NULL,
  "priority" integer NOT NULL,
  "max_attempts" integer NOT NULL,
  "payload" text COLLATE "C" NOT NULL,
  "type" text COLLATE "C" NOT NULL,
  "queue" text COLLATE "C" NOT NULL,
  "schedule" text COLLATE "C",
  "planned_at" timestamptz,
  "owner" text COLLATE "C",
  PRIMARY KEY ("id")
);
CREATE TABLE "visor_ready" (
  "run_at" timestamptz NOT NULL,
  "job" bigint NOT NULL,
  "priority" integer NOT NULL,
  "queue" text COLLATE "C" NOT NULL,
  "attempt" integer NOT NULL,
  PRIMARY KEY ("queue", "priority", "run_at", "job")
);
CREATE TABLE "visor_scheduled" (
  "run_at" timestamptz NOT NULL,
  "job" bigint NOT NULL,
  "priority" integer NOT NULL,
  "attempt" integer NOT NULL,
  "queue" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("run_at", "job")
);
CREATE INDEX "visor_scheduled_job" ON "visor_scheduled" ("job");
CREATE TABLE "visor_waiting" (
  "blocker" bigint NOT NULL,
  "job" bigint NOT NULL,
  "run_at" timestamptz NOT NULL,
  "priority" integer NOT NULL,
  "attempt" integer NOT NULL,
  "queue" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("blocker", "job")
);
CREATE INDEX "visor_waiting_job" ON "visor_waiting" ("job");
CREATE TABLE "visor_lease" (
  "id" bigint NOT NULL,
  "node" text COLLATE "C" NOT NULL,
  "epoch" bigint NOT NULL,
  "taken_at" timestamptz NOT NULL,
  "jobs" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("id")
);
CREATE TABLE "visor_attempt" (
  "job" bigint NOT NULL,
  "lease" bigint,
  "epoch" bigint,
  "started_at" timestamptz,
  "finished_at" timestamptz NOT NULL,
  "number" integer NOT NULL,
  "node" text COLLATE "C",
  "outcome" text COLLATE "C",
  "final_state" text COLLATE "C",
  "error" text COLLATE "C",
  "output" text COLLATE "C",
  PRIMARY KEY ("job", "number")
);
CREATE INDEX "visor_attempt_ended" ON "visor_attempt" ("final_state", "job") WHERE "final_state" IN ('failed', 'cancelled');
CREATE TABLE "visor_dead" (
  "job" bigint NOT NULL,
  "died_at" timestamptz NOT NULL,
  "attempts" integer NOT NULL,
  "error" text COLLATE "C",
  PRIMARY KEY ("job")
);
CREATE TABLE "visor_cancel" (
  "job" bigint NOT NULL,
  "requested_at" timestamptz NOT NULL,
  PRIMARY KEY ("job")
);
CREATE TABLE "visor_node" (
  "name" text COLLATE "C" NOT NULL,
  "address" text COLLATE "C" NOT NULL,
  "state" text COLLATE "C" NOT NULL,
  "epoch" bigint NOT NULL,
  "lease_until" timestamptz NOT NULL,
  "exclusive" boolean NOT NULL,
  "slots" integer NOT NULL,
  "started_at" timestamptz NOT NULL,
  "version" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("name")
);
CREATE TABLE "visor_schedule" (
  "id" text COLLATE "C" NOT NULL,
  "origin" text COLLATE "C" NOT NULL,
  "expression" text COLLATE "C" NOT NULL,
  "zone" text COLLATE "C" NOT NULL,
  "type" text COLLATE "C" NOT NULL,
  "payload" text COLLATE "C" NOT NULL,
  "queue" text COLLATE "C" NOT NULL,
  "priority" integer NOT NULL,
  "max_attempts" integer NOT NULL,
  "misfire" text COLLATE "C" NOT NULL,
  "misfire_limit" integer NOT NULL,
  "misfire_window" bigint NOT NULL,
  "overlap" text COLLATE "C" NOT NULL,
  "max_failures" integer NOT NULL,
  "owner" text COLLATE "C",
  "description" text COLLATE "C",
  "phrase" text COLLATE "C",
  "output" text COLLATE "C",
  "state" text COLLATE "C" NOT NULL,
  "next_at" timestamptz,
  "last_at" timestamptz,
  "last_job" bigint,
  "run_count" bigint NOT NULL,
  "failure_count" integer NOT NULL,
  "last_error" text COLLATE "C",
  "created_at" timestamptz NOT NULL,
  "updated_at" timestamptz NOT NULL,
  "version" bigint NOT NULL,
  PRIMARY KEY ("id")
);
CREATE INDEX "visor_schedule_due" ON "visor_schedule" ("state", "next_at", "id");
CREATE INDEX "visor_schedule_origin" ON "visor_schedule" ("origin");
CREATE TABLE "visor_fire" (
  "schedule" text COLLATE "C" NOT NULL,
  "planned_at" timestamptz NOT NULL,
  "fired_at" timestamptz NOT NULL,
  "node" text COLLATE "C" NOT NULL,
  "result" text COLLATE "C" NOT NULL,
  "job" bigint,
  PRIMARY KEY ("schedule", "planned_at")
);
CREATE TABLE "visor_sequence" (
  "name" text COLLATE "C" NOT NULL,
  "next" bigint NOT NULL,
  PRIMARY KEY ("name")
);
-- down 1
DROP TABLE "visor_sequence";
DROP TABLE "visor_fire";
DROP TABLE "visor_schedule";
DROP TABLE "visor_node";
DROP TABLE "visor_cancel";
DROP TABLE "visor_dead";
DROP TABLE "visor_attempt";
DROP TABLE "visor_lease";
DROP TABLE "visor_waiting";
DROP TABLE "visor_scheduled";
DROP TABLE "visor_ready";
DROP TABLE "visor_job";
-- up 2: what nodes offer, checksum 3517410520b9d978
ALTER TABLE "visor_node" ADD COLUMN "queues" text COLLATE "C";
ALTER TABLE "visor_node" ADD COLUMN "capabilities" text COLLATE "C";
ALTER TABLE "visor_node" ADD COLUMN "wish" text COLLATE "C";
-- down 2
ALTER TABLE "visor_node" DROP COLUMN "queues";
ALTER TABLE "visor_node" DROP COLUMN "capabilities";
ALTER TABLE "visor_node" DROP COLUMN "wish";
-- up 3: limits of job types, checksum dc4b8e0644cf3588
ALTER TABLE "visor_lease" ADD COLUMN "limited" text COLLATE "C";
ALTER TABLE "visor_node" ADD COLUMN "resources" text COLLATE "C";
CREATE TABLE "visor_type_limit" (
  "type" text COLLATE "C" NOT NULL,
  "concurrency" integer NOT NULL,
  "key_concurrency" integer NOT NULL,
  "rate" integer NOT NULL,
  "key_rate" integer NOT NULL,
  "per" bigint NOT NULL,
  PRIMARY KEY ("type")
);
CREATE TABLE "visor_claim" (
  "type" text COLLATE "C" NOT NULL,
  "taken_at" timestamptz NOT NULL,
  "lease" bigint NOT NULL,
  "number" integer NOT NULL,
  "queue" text COLLATE "C" NOT NULL,
  "jobs" integer NOT NULL,
  PRIMARY KEY ("type", "taken_at", "lease", "number")
);
-- down 3
DROP TABLE "visor_claim";
DROP TABLE "visor_type_limit";
ALTER TABLE "visor_node" DROP COLUMN "resources";
ALTER TABLE "visor_lease" DROP COLUMN "limited";
-- up 4: declarations, losses and fences, checksum 520ceafdecf3a2f3
ALTER TABLE "visor_job" ADD COLUMN "uncounted" integer;
ALTER TABLE "visor_job" ADD COLUMN "max_lost" integer;
ALTER TABLE "visor_node" ADD COLUMN "token" bigint;
ALTER TABLE "visor_node" ADD COLUMN "survived" bigint;
ALTER TABLE "visor_schedule" ADD COLUMN "max_lost" integer;
ALTER TABLE "visor_schedule" ADD COLUMN "set_name" text COLLATE "C";
ALTER TABLE "visor_schedule" ADD COLUMN "digest" text COLLATE "C";
ALTER TABLE "visor_schedule" ADD COLUMN "retired_at" timestamptz;
ALTER TABLE "visor_schedule" ADD COLUMN "dst_gap" text COLLATE "C";
ALTER TABLE "visor_schedule" ADD COLUMN "dst_overlap" text COLLATE "C";
ALTER TABLE "visor_schedule" ADD COLUMN "anchor" text COLLATE "C";
ALTER TABLE "visor_fire" ADD COLUMN "reason" text COLLATE "C";
CREATE TABLE "visor_node_type" (
  "node" text COLLATE "C" NOT NULL,
  "type" text COLLATE "C" NOT NULL,
  "epoch" bigint NOT NULL,
  PRIMARY KEY ("node", "type")
);
CREATE TABLE "visor_declaration" (
  "node" text COLLATE "C" NOT NULL,
  "origin" text COLLATE "C" NOT NULL,
  "set_name" text COLLATE "C" NOT NULL,
  "declared_at" timestamptz NOT NULL,
  "digest" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("node", "origin", "set_name")
);
CREATE TABLE "visor_manifest" (
  "digest" text COLLATE "C" NOT NULL,
  "origin" text COLLATE "C" NOT NULL,
  "set_name" text COLLATE "C" NOT NULL,
  "declared_at" timestamptz NOT NULL,
  "parts" integer NOT NULL,
  PRIMARY KEY ("digest")
);
CREATE TABLE "visor_manifest_part" (
  "digest" text COLLATE "C" NOT NULL,
  "part" integer NOT NULL,
  "written_at" timestamptz NOT NULL,
  "entries" text COLLATE "C" NOT NULL,
  PRIMARY KEY ("digest", "part")
);
-- down 4
DROP TABLE "visor_manifest_part";
DROP TABLE "visor_manifest";
DROP TABLE "visor_declaration";
DROP TABLE "visor_node_type";
ALTER TABLE "visor_fire" DROP COLUMN "reason";
ALTER TABLE "visor_schedule" DROP COLUMN "max_lost";
ALTER TABLE "visor_schedule" DROP COLUMN "set_name";
ALTER TABLE "visor_schedule" DROP COLUMN "digest";
ALTER TABLE "visor_schedule" DROP COLUMN "retired_at";
ALTER TABLE "visor_schedule" DROP COLUMN "dst_gap";
ALTER TABLE "visor_schedule" DROP COLUMN "dst_overlap";
ALTER TABLE "visor_schedule" DROP COLUMN "anchor";
ALTER TABLE "visor_node" DROP COLUMN "token";
ALTER TABLE "visor_node" DROP COLUMN "survived";
ALTER TABLE "visor_job" DROP COLUMN "uncounted";
ALTER TABLE "visor_job" DROP COLUMN "max_lost";
-- up 5: numbers of jobs, long names of queues, checksum 0450688d10faa7de
CREATE TABLE "visor_job_number" (
  "number" bigint NOT NULL GENERATED BY DEFAULT AS IDENTITY,
  PRIMARY KEY ("number")
);
-- down 5
DROP TABLE "visor_job_number";
-- up 6: names of columns, checksum 56b13111f05b8712
ALTER TABLE "visor_node" RENAME COLUMN "wish" TO "requested_state";
-- down 6
ALTER TABLE "visor_node" RENAME COLUMN "requested_state" TO "wish";
