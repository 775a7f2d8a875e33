-- insert_migration
INSERT INTO [visor_migration] ([version], [name], [checksum], [applied_at]) VALUES (?, ?, ?, ?);

-- all_migrations
SELECT [version], [name], [checksum], [applied_at] FROM [visor_migration] ORDER BY [version];

-- latest_version
SELECT max([version]) AS [schema] FROM [visor_migration];

-- remove_migration
DELETE FROM [visor_migration] WHERE [version] = ?;

-- catalog
SELECT c.TABLE_NAME, 'column' AS kind, c.COLUMN_NAME AS part FROM INFORMATION_SCHEMA.COLUMNS c WHERE c.TABLE_SCHEMA = SCHEMA_NAME() AND c.TABLE_NAME LIKE 'visor!_%' ESCAPE '!' UNION ALL SELECT t.name, 'index', CASE WHEN i.name LIKE 'visor[_]%visor[_]%' + REPLICATE('[0-9a-f]', 32) THEN LEFT(i.name, LEN(i.name) - 37 - CHARINDEX('_rosiv', REVERSE(LEFT(i.name, LEN(i.name) - 32)))) ELSE i.name END FROM sys.indexes i JOIN sys.tables t ON t.object_id = i.object_id WHERE t.schema_id = SCHEMA_ID() AND t.name LIKE 'visor!_%' ESCAPE '!' AND i.is_primary_key = 0 AND i.name IS NOT NULL ORDER BY 1, 2, 3;

-- any_job
SELECT [id] FROM [visor_job] ORDER BY [id] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- working_nodes
SELECT [name], [address], [version], [lease_until] FROM [visor_node] WHERE [state] <> 'offline' ORDER BY [name];

-- raise_epochs
UPDATE [visor_node] SET [epoch] = ?;

-- lock_sequence
SELECT [next] FROM [visor_sequence] WHERE [name] = ?;

-- find_unlocked_sequence
SELECT [next] FROM [visor_sequence] WHERE [name] = ?;

CREATE TABLE [visor_migration] (
  [version] int NOT NULL,
  [name] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [checksum] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [applied_at] datetime2(6) NOT NULL,
  PRIMARY KEY ([version])
);

-- up 1: jobs, schedules and nodes, checksum 695785e42a62deb6
CREATE TABLE [visor_job] (
  [id] bigint NOT NULL,
  [run_at] datetime2(6) NOT NULL,
  [created_at] datetime2(6) NOT NULL,
  [priority] int NOT NULL,
  [max_attempts] int NOT NULL,
  [payload] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [type] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [queue] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [schedule] nvarchar(255) COLLATE Latin1_General_100_BIN2,
  [planned_at] datetime2(6),
  [owner] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  PRIMARY KEY ([id])
);
CREATE TABLE [visor_ready] (
  [run_at] datetime2(6) NOT NULL,
  [job] bigint NOT NULL,
  [priority] int NOT NULL,
  [queue] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [attempt] int NOT NULL,
  PRIMARY KEY ([queue], [priority], [run_at], [job])
);
CREATE TABLE [visor_scheduled] (
  [run_at] datetime2(6) NOT NULL,
  [job] bigint NOT NULL,
  [priority] int NOT NULL,
  [attempt] int NOT NULL,
  [queue] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  PRIMARY KEY ([run_at], [job])
);
CREATE INDEX [visor_scheduled_job] ON [visor_scheduled] ([job]);
CREATE TABLE [visor_waiting] (
  [blocker] bigint NOT NULL,
  [job] bigint NOT NULL,
  [run_at] datetime2(6) NOT NULL,
  [priority] int NOT NULL,
  [attempt] int NOT NULL,
  [queue] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  PRIMARY KEY ([blocker], [job])
);
CREATE INDEX [visor_waiting_job] ON [visor_waiting] ([job]);
CREATE TABLE [visor_lease] (
  [id] bigint NOT NULL,
  [node] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [epoch] bigint NOT NULL,
  [taken_at] datetime2(6) NOT NULL,
  [jobs] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  PRIMARY KEY ([id])
);
CREATE TABLE [visor_attempt] (
  [job] bigint NOT NULL,
  [lease] bigint,
  [epoch] bigint,
  [started_at] datetime2(6),
  [finished_at] datetime2(6) NOT NULL,
  [number] int NOT NULL,
  [node] nvarchar(255) COLLATE Latin1_General_100_BIN2,
  [outcome] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  [final_state] nvarchar(255) COLLATE Latin1_General_100_BIN2,
  [error] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  [output] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  PRIMARY KEY ([job], [number])
);
CREATE INDEX [visor_attempt_ended] ON [visor_attempt] ([final_state], [job]) WHERE [final_state] IN ('failed', 'cancelled');
CREATE TABLE [visor_dead] (
  [job] bigint NOT NULL,
  [died_at] datetime2(6) NOT NULL,
  [attempts] int NOT NULL,
  [error] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  PRIMARY KEY ([job])
);
CREATE TABLE [visor_cancel] (
  [job] bigint NOT NULL,
  [requested_at] datetime2(6) NOT NULL,
  PRIMARY KEY ([job])
);
CREATE TABLE [visor_node] (
  [name] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [address] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [state] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [epoch] bigint NOT NULL,
  [lease_until] datetime2(6) NOT NULL,
  [exclusive] bit NOT NULL,
  [slots] int NOT NULL,
  [started_at] datetime2(6) NOT NULL,
  [version] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  PRIMARY KEY ([name])
);
CREATE TABLE [visor_schedule] (
  [id] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [origin] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [expression] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [zone] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [type] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [payload] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [queue] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [priority] int NOT NULL,
  [max_attempts] int NOT NULL,
  [misfire] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [misfire_limit] int NOT NULL,
  [misfire_window] bigint NOT NULL,
  [overlap] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [max_failures] int NOT NULL,
  [owner] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  [description] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  [phrase] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  [output] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  [state] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [next_at] datetime2(6),
  [last_at] datetime2(6),
  [last_job] bigint,
  [run_count] bigint NOT NULL,
  [failure_count] int NOT NULL,
  [last_error] nvarchar(max) COLLATE Latin1_General_100_BIN2,
  [created_at] datetime2(6) NOT NULL,
  [updated_at] datetime2(6) NOT NULL,
  [version] bigint NOT NULL,
  PRIMARY KEY ([id])
);
CREATE INDEX [visor_schedule_due] ON [visor_schedule] ([state], [next_at], [id]);
CREATE INDEX [visor_schedule_origin] ON [visor_schedule] ([origin]);
CREATE TABLE [visor_fire] (
  [schedule] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [planned_at] datetime2(6) NOT NULL,
  [fired_at] datetime2(6) NOT NULL,
  [node] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [result] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [job] bigint,
  PRIMARY KEY ([schedule], [planned_at])
);
CREATE TABLE [visor_sequence] (
  [name] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [next] bigint NOT NULL,
  PRIMARY KEY ([name])
);
-- down 1
DROP TABLE [visor_sequence];
DROP TABLE [visor_fire];
DROP TABLE [visor_schedule];
DROP TABLE [visor_node];
DROP TABLE [visor_cancel];
DROP TABLE [visor_dead];
DROP TABLE [visor_attempt];
DROP TABLE [visor_lease];
DROP TABLE [visor_waiting];
DROP TABLE [visor_scheduled];
DROP TABLE [visor_ready];
DROP TABLE [visor_job];
-- up 2: what nodes offer, checksum a750406766049832
ALTER TABLE [visor_node] ADD [queues] nvarchar(max) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_node] ADD [capabilities] nvarchar(max) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_node] ADD [wish] nvarchar(max) COLLATE Latin1_General_100_BIN2;
-- down 2
ALTER TABLE [visor_node] DROP COLUMN [queues];
ALTER TABLE [visor_node] DROP COLUMN [capabilities];
ALTER TABLE [visor_node] DROP COLUMN [wish];
-- up 3: limits of job types, checksum 2e88c2250e33563a
ALTER TABLE [visor_lease] ADD [limited] nvarchar(255) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_node] ADD [resources] nvarchar(max) COLLATE Latin1_General_100_BIN2;
CREATE TABLE [visor_type_limit] (
  [type] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [concurrency] int NOT NULL,
  [key_concurrency] int NOT NULL,
  [rate] int NOT NULL,
  [key_rate] int NOT NULL,
  [per] bigint NOT NULL,
  PRIMARY KEY ([type])
);
CREATE TABLE [visor_claim] (
  [type] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [taken_at] datetime2(6) NOT NULL,
  [lease] bigint NOT NULL,
  [number] int NOT NULL,
  [queue] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [jobs] int NOT NULL,
  PRIMARY KEY ([type], [taken_at], [lease], [number])
);
-- down 3
DROP TABLE [visor_claim];
DROP TABLE [visor_type_limit];
ALTER TABLE [visor_node] DROP COLUMN [resources];
ALTER TABLE [visor_lease] DROP COLUMN [limited];
-- up 4: declarations, losses and fences, checksum bbf4e2761590592e
ALTER TABLE [visor_job] ADD [uncounted] int;
ALTER TABLE [visor_job] ADD [max_lost] int;
ALTER TABLE [visor_node] ADD [token] bigint;
ALTER TABLE [visor_node] ADD [survived] bigint;
ALTER TABLE [visor_schedule] ADD [max_lost] int;
ALTER TABLE [visor_schedule] ADD [set_name] nvarchar(255) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_schedule] ADD [digest] nvarchar(255) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_schedule] ADD [retired_at] datetime2(6);
ALTER TABLE [visor_schedule] ADD [dst_gap] nvarchar(max) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_schedule] ADD [dst_overlap] nvarchar(max) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_schedule] ADD [anchor] nvarchar(max) COLLATE Latin1_General_100_BIN2;
ALTER TABLE [visor_fire] ADD [reason] nvarchar(max) COLLATE Latin1_General_100_BIN2;
CREATE TABLE [visor_node_type] (
  [node] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [type] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [epoch] bigint NOT NULL,
  PRIMARY KEY ([node], [type])
);
CREATE TABLE [visor_declaration] (
  [node] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [origin] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [set_name] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [declared_at] datetime2(6) NOT NULL,
  [digest] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  PRIMARY KEY ([node], [origin], [set_name])
);
CREATE TABLE [visor_manifest] (
  [digest] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [origin] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [set_name] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [declared_at] datetime2(6) NOT NULL,
  [parts] int NOT NULL,
  PRIMARY KEY ([digest])
);
CREATE TABLE [visor_manifest_part] (
  [digest] nvarchar(255) COLLATE Latin1_General_100_BIN2 NOT NULL,
  [part] int NOT NULL,
  [written_at] datetime2(6) NOT NULL,
  [entries] nvarchar(max) COLLATE Latin1_General_100_BIN2 NOT NULL,
  PRIMARY KEY ([digest], [part])
);
-- down 4
DROP TABLE [visor_manifest_part];
DROP TABLE [visor_manifest];
DROP TABLE [visor_declaration];
DROP TABLE [visor_node_type];
ALTER TABLE [visor_fire] DROP COLUMN [reason];
ALTER TABLE [visor_schedule] DROP COLUMN [max_lost];
ALTER TABLE [visor_schedule] DROP COLUMN [set_name];
ALTER TABLE [visor_schedule] DROP COLUMN [digest];
ALTER TABLE [visor_schedule] DROP COLUMN [retired_at];
ALTER TABLE [visor_schedule] DROP COLUMN [dst_gap];
ALTER TABLE [visor_schedule] DROP COLUMN [dst_overlap];
ALTER TABLE [visor_schedule] DROP COLUMN [anchor];
ALTER TABLE [visor_node] DROP COLUMN [token];
ALTER TABLE [visor_node] DROP COLUMN [survived];
ALTER TABLE [visor_job] DROP COLUMN [uncounted];
ALTER TABLE [visor_job] DROP COLUMN [max_lost];
-- up 5: numbers of jobs, long names of queues, checksum efc5148f32da4c6b
CREATE TABLE [visor_job_number] (
  [number] bigint NOT NULL IDENTITY,
  PRIMARY KEY ([number])
);
-- down 5
DROP TABLE [visor_job_number];
-- up 6: names of columns, checksum c0066f0a889a1420
EXEC sp_rename N'visor_node.wish', N'requested_state', N'COLUMN';
-- down 6
EXEC sp_rename N'visor_node.requested_state', N'wish', N'COLUMN';
