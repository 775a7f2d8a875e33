-- insert_migration
INSERT INTO "visor_migration" ("version", "name", "checksum", "applied_at") VALUES (?, ?, ?, ?);

-- all_migrations
SELECT "version", "name", "checksum", "applied_at" FROM "visor_migration" ORDER BY "version";

-- latest_version
SELECT max("version") AS "schema" FROM "visor_migration";

-- remove_migration
DELETE FROM "visor_migration" WHERE "version" = ?;

-- catalog
SELECT m.name AS table_name, 'column' AS kind, c.name AS part FROM sqlite_schema m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name LIKE 'visor!_%' ESCAPE '!' UNION ALL SELECT tbl_name, 'index', name FROM sqlite_schema WHERE type = 'index' AND name LIKE 'visor!_%' ESCAPE '!' ORDER BY 1, 2, 3;

-- any_job
SELECT "id" FROM "visor_job" ORDER BY "id" LIMIT ?;

-- working_nodes
SELECT "name", "address", "version", "lease_until" FROM "visor_node" WHERE "state" <> 'offline' ORDER BY "name";

-- raise_epochs
UPDATE "visor_node" SET "epoch" = ?;

-- lock_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = ?;

-- find_unlocked_sequence
SELECT "next" FROM "visor_sequence" WHERE "name" = ?;

CREATE TABLE "visor_migration" (
  "version" INTEGER NOT NULL,
  "name" TEXT NOT NULL,
  "checksum" TEXT NOT NULL,
  "applied_at" INTEGER NOT NULL,
  PRIMARY KEY ("version")
) STRICT;

-- up 1: jobs, schedules and nodes, checksum ec3133095477f6b5
CREATE TABLE "visor_job" (
  "id" INTEGER NOT NULL,
  "run_at" INTEGER NOT NULL,
  "created_at" INTEGER NOT NULL,
  "priority" INTEGER NOT NULL,
  "max_attempts" INTEGER NOT NULL,
  "payload" TEXT NOT NULL,
  "type" TEXT NOT NULL,
  "queue" TEXT NOT NULL,
  "schedule" TEXT,
  "planned_at" INTEGER,
  "owner" TEXT,
  PRIMARY KEY ("id")
) STRICT;
CREATE TABLE "visor_ready" (
  "run_at" INTEGER NOT NULL,
  "job" INTEGER NOT NULL,
  "priority" INTEGER NOT NULL,
  "queue" TEXT NOT NULL,
  "attempt" INTEGER NOT NULL,
  PRIMARY KEY ("queue", "priority", "run_at", "job")
) STRICT, WITHOUT ROWID;
CREATE TABLE "visor_scheduled" (
  "run_at" INTEGER NOT NULL,
  "job" INTEGER NOT NULL,
  "priority" INTEGER NOT NULL,
  "attempt" INTEGER NOT NULL,
  "queue" TEXT NOT NULL,
  PRIMARY KEY ("run_at", "job")
) STRICT, WITHOUT ROWID;
CREATE INDEX "visor_scheduled_job" ON "visor_scheduled" ("job");
CREATE TABLE "visor_waiting" (
  "blocker" INTEGER NOT NULL,
  "job" INTEGER NOT NULL,
  "run_at" INTEGER NOT NULL,
  "priority" INTEGER NOT NULL,
  "attempt" INTEGER NOT NULL,
  "queue" TEXT NOT NULL,
  PRIMARY KEY ("blocker", "job")
) STRICT, WITHOUT ROWID;
CREATE INDEX "visor_waiting_job" ON "visor_waiting" ("job");
CREATE TABLE "visor_lease" (
  "id" INTEGER NOT NULL,
  "node" TEXT NOT NULL,
  "epoch" INTEGER NOT NULL,
  "taken_at" INTEGER NOT NULL,
  "jobs" TEXT NOT NULL,
  PRIMARY KEY ("id")
) STRICT;
CREATE TABLE "visor_attempt" (
  "job" INTEGER NOT NULL,
  "lease" INTEGER,
  "epoch" INTEGER,
  "started_at" INTEGER,
  "finished_at" INTEGER NOT NULL,
  "number" INTEGER NOT NULL,
  "node" TEXT,
  "outcome" TEXT,
  "final_state" TEXT,
  "error" TEXT,
  "output" TEXT,
  PRIMARY KEY ("job", "number")
) STRICT, WITHOUT ROWID;
CREATE INDEX "visor_attempt_ended" ON "visor_attempt" ("final_state", "job") WHERE "final_state" IN ('failed', 'cancelled');
CREATE TABLE "visor_dead" (
  "job" INTEGER NOT NULL,
  "died_at" INTEGER NOT NULL,
  "attempts" INTEGER NOT NULL,
  "error" TEXT,
  PRIMARY KEY ("job")
) STRICT;
CREATE TABLE "visor_cancel" (
  "job" INTEGER NOT NULL,
  "requested_at" INTEGER NOT NULL,
  PRIMARY KEY ("job")
) STRICT;
CREATE TABLE "visor_node" (
  "name" TEXT NOT NULL,
  "address" TEXT NOT NULL,
  "state" TEXT NOT NULL,
  "epoch" INTEGER NOT NULL,
  "lease_until" INTEGER NOT NULL,
  "exclusive" INTEGER NOT NULL,
  "slots" INTEGER NOT NULL,
  "started_at" INTEGER NOT NULL,
  "version" TEXT NOT NULL,
  PRIMARY KEY ("name")
) STRICT, WITHOUT ROWID;
CREATE TABLE "visor_schedule" (
  "id" TEXT NOT NULL,
  "origin" TEXT NOT NULL,
  "expression" TEXT NOT NULL,
  "zone" TEXT NOT NULL,
  "type" TEXT NOT NULL,
  "payload" TEXT NOT NULL,
  "queue" TEXT NOT NULL,
  "priority" INTEGER NOT NULL,
  "max_attempts" INTEGER NOT NULL,
  "misfire" TEXT NOT NULL,
  "misfire_limit" INTEGER NOT NULL,
  "misfire_window" INTEGER NOT NULL,
  "overlap" TEXT NOT NULL,
  "max_failures" INTEGER NOT NULL,
  "owner" TEXT,
  "description" TEXT,
  "phrase" TEXT,
  "output" TEXT,
  "state" TEXT NOT NULL,
  "next_at" INTEGER,
  "last_at" INTEGER,
  "last_job" INTEGER,
  "run_count" INTEGER NOT NULL,
  "failure_count" INTEGER NOT NULL,
  "last_error" TEXT,
  "created_at" INTEGER NOT NULL,
  "updated_at" INTEGER NOT NULL,
  "version" INTEGER NOT NULL,
  PRIMARY KEY ("id")
) STRICT, WITHOUT ROWID;
CREATE INDEX "visor_schedule_due" ON "visor_schedule" ("state", "next_at", "id");
CREATE INDEX "visor_schedule_origin" ON "visor_schedule" ("origin");
CREATE TABLE "visor_fire" (
  "schedule" TEXT NOT NULL,
  "planned_at" INTEGER NOT NULL,
  "fired_at" INTEGER NOT NULL,
  "node" TEXT NOT NULL,
  "result" TEXT NOT NULL,
  "job" INTEGER,
  PRIMARY KEY ("schedule", "planned_at")
) STRICT, WITHOUT ROWID;
CREATE TABLE "visor_sequence" (
  "name" TEXT NOT NULL,
  "next" INTEGER NOT NULL,
  PRIMARY KEY ("name")
) STRICT, WITHOUT ROWID;
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
-- up 2: what nodes offer, checksum 785ffc69a3447157
ALTER TABLE "visor_node" ADD COLUMN "queues" TEXT;
ALTER TABLE "visor_node" ADD COLUMN "capabilities" TEXT;
ALTER TABLE "visor_node" ADD COLUMN "wish" TEXT;
-- down 2
ALTER TABLE "visor_node" DROP COLUMN "queues";
ALTER TABLE "visor_node" DROP COLUMN "capabilities";
ALTER TABLE "visor_node" DROP COLUMN "wish";
-- up 3: limits of job types, checksum e5643593113cf485
ALTER TABLE "visor_lease" ADD COLUMN "limited" TEXT;
ALTER TABLE "visor_node" ADD COLUMN "resources" TEXT;
CREATE TABLE "visor_type_limit" (
  "type" TEXT NOT NULL,
  "concurrency" INTEGER NOT NULL,
  "key_concurrency" INTEGER NOT NULL,
  "rate" INTEGER NOT NULL,
  "key_rate" INTEGER NOT NULL,
  "per" INTEGER NOT NULL,
  PRIMARY KEY ("type")
) STRICT, WITHOUT ROWID;
CREATE TABLE "visor_claim" (
  "type" TEXT NOT NULL,
  "taken_at" INTEGER NOT NULL,
  "lease" INTEGER NOT NULL,
  "number" INTEGER NOT NULL,
  "queue" TEXT NOT NULL,
  "jobs" INTEGER NOT NULL,
  PRIMARY KEY ("type", "taken_at", "lease", "number")
) STRICT, WITHOUT ROWID;
-- down 3
DROP TABLE "visor_claim";
DROP TABLE "visor_type_limit";
ALTER TABLE "visor_node" DROP COLUMN "resources";
ALTER TABLE "visor_lease" DROP COLUMN "limited";
-- up 4: declarations, losses and fences, checksum 4f5a4781c16b792b
ALTER TABLE "visor_job" ADD COLUMN "uncounted" INTEGER;
ALTER TABLE "visor_job" ADD COLUMN "max_lost" INTEGER;
ALTER TABLE "visor_node" ADD COLUMN "token" INTEGER;
ALTER TABLE "visor_node" ADD COLUMN "survived" INTEGER;
ALTER TABLE "visor_schedule" ADD COLUMN "max_lost" INTEGER;
ALTER TABLE "visor_schedule" ADD COLUMN "set_name" TEXT;
ALTER TABLE "visor_schedule" ADD COLUMN "digest" TEXT;
ALTER TABLE "visor_schedule" ADD COLUMN "retired_at" INTEGER;
ALTER TABLE "visor_schedule" ADD COLUMN "dst_gap" TEXT;
ALTER TABLE "visor_schedule" ADD COLUMN "dst_overlap" TEXT;
ALTER TABLE "visor_schedule" ADD COLUMN "anchor" TEXT;
ALTER TABLE "visor_fire" ADD COLUMN "reason" TEXT;
CREATE TABLE "visor_node_type" (
  "node" TEXT NOT NULL,
  "type" TEXT NOT NULL,
  "epoch" INTEGER NOT NULL,
  PRIMARY KEY ("node", "type")
) STRICT, WITHOUT ROWID;
CREATE TABLE "visor_declaration" (
  "node" TEXT NOT NULL,
  "origin" TEXT NOT NULL,
  "set_name" TEXT NOT NULL,
  "declared_at" INTEGER NOT NULL,
  "digest" TEXT NOT NULL,
  PRIMARY KEY ("node", "origin", "set_name")
) STRICT, WITHOUT ROWID;
CREATE TABLE "visor_manifest" (
  "digest" TEXT NOT NULL,
  "origin" TEXT NOT NULL,
  "set_name" TEXT NOT NULL,
  "declared_at" INTEGER NOT NULL,
  "parts" INTEGER NOT NULL,
  PRIMARY KEY ("digest")
) STRICT, WITHOUT ROWID;
CREATE TABLE "visor_manifest_part" (
  "digest" TEXT NOT NULL,
  "part" INTEGER NOT NULL,
  "written_at" INTEGER NOT NULL,
  "entries" TEXT NOT NULL,
  PRIMARY KEY ("digest", "part")
) STRICT, WITHOUT ROWID;
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
-- up 5: numbers of jobs, long names of queues, checksum cbf29ce484222325
-- down 5
-- up 6: names of columns, checksum 56b13111f05b8712
ALTER TABLE "visor_node" RENAME COLUMN "wish" TO "requested_state";
-- down 6
ALTER TABLE "visor_node" RENAME COLUMN "requested_state" TO "wish";
