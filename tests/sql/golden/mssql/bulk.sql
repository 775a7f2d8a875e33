-- insert_job
INSERT INTO [visor_job] ([id], [run_at], [created_at], [priority], [max_attempts], [payload], [type], [queue], [schedule], [planned_at], [owner]) SELECT v.[id], v.[run_at], v.[created_at], v.[priority], v.[max_attempts], v.[payload], v.[type], v.[queue], v.[schedule], v.[planned_at], v.[owner] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([id] bigint, [run_at] datetime2(6), [created_at] datetime2(6), [priority] int, [max_attempts] int, [payload] nvarchar(max), [type] nvarchar(max), [queue] nvarchar(max), [schedule] nvarchar(max), [planned_at] datetime2(6), [owner] nvarchar(max)) v;

-- insert_new_job
INSERT INTO [visor_job] ([id], [run_at], [created_at], [priority], [max_attempts], [payload], [type], [queue], [schedule], [planned_at], [owner]) SELECT v.[id], v.[run_at], v.[created_at], v.[priority], v.[max_attempts], v.[payload], v.[type], v.[queue], v.[schedule], v.[planned_at], v.[owner] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [id] ORDER BY [id]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([id] bigint, [run_at] datetime2(6), [created_at] datetime2(6), [priority] int, [max_attempts] int, [payload] nvarchar(max), [type] nvarchar(max), [queue] nvarchar(max), [schedule] nvarchar(max), [planned_at] datetime2(6), [owner] nvarchar(max)) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_job] t WHERE t.[id] = v.[id]);

-- insert_ready
INSERT INTO [visor_ready] ([run_at], [job], [priority], [attempt], [queue]) SELECT v.[run_at], v.[job], v.[priority], v.[attempt], v.[queue] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([run_at] datetime2(6), [job] bigint, [priority] int, [attempt] int, [queue] nvarchar(max)) v;

-- insert_scheduled
INSERT INTO [visor_scheduled] ([run_at], [job], [priority], [attempt], [queue]) SELECT v.[run_at], v.[job], v.[priority], v.[attempt], v.[queue] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([run_at] datetime2(6), [job] bigint, [priority] int, [attempt] int, [queue] nvarchar(max)) v;

-- insert_waiting
INSERT INTO [visor_waiting] ([blocker], [job], [run_at], [priority], [attempt], [queue]) SELECT v.[blocker], v.[job], v.[run_at], v.[priority], v.[attempt], v.[queue] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([blocker] bigint, [job] bigint, [run_at] datetime2(6), [priority] int, [attempt] int, [queue] nvarchar(max)) v;

-- insert_dead
INSERT INTO [visor_dead] ([job], [died_at], [attempts], [error]) SELECT v.[job], v.[died_at], v.[attempts], v.[error] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([job] bigint, [died_at] datetime2(6), [attempts] int, [error] nvarchar(max)) v;

-- insert_new_cancel
INSERT INTO [visor_cancel] ([job], [requested_at]) SELECT v.[job], v.[requested_at] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [job] ORDER BY [job]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([job] bigint, [requested_at] datetime2(6)) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_cancel] t WHERE t.[job] = v.[job]);

-- remove_ready
DELETE FROM [visor_ready] WHERE EXISTS (SELECT 1 FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([queue] nvarchar(max), [priority] int, [run_at] datetime2(6), [job] bigint) v WHERE [visor_ready].[queue] = v.[queue] COLLATE Latin1_General_100_BIN2 AND [visor_ready].[priority] = v.[priority] AND [visor_ready].[run_at] = v.[run_at] AND [visor_ready].[job] = v.[job]);

-- insert_attempt
INSERT INTO [visor_attempt] ([job], [lease], [epoch], [started_at], [finished_at], [number], [node], [outcome], [final_state], [error], [output]) SELECT v.[job], v.[lease], v.[epoch], v.[started_at], v.[finished_at], v.[number], v.[node], v.[outcome], v.[final_state], v.[error], v.[output] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([job] bigint, [lease] bigint, [epoch] bigint, [started_at] datetime2(6), [finished_at] datetime2(6), [number] int, [node] nvarchar(max), [outcome] nvarchar(max), [final_state] nvarchar(max), [error] nvarchar(max), [output] nvarchar(max)) v;

-- insert_new_attempt
INSERT INTO [visor_attempt] ([job], [lease], [epoch], [started_at], [finished_at], [number], [node], [outcome], [final_state], [error], [output]) SELECT v.[job], v.[lease], v.[epoch], v.[started_at], v.[finished_at], v.[number], v.[node], v.[outcome], v.[final_state], v.[error], v.[output] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [job], [number] ORDER BY [job], [number]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([job] bigint, [lease] bigint, [epoch] bigint, [started_at] datetime2(6), [finished_at] datetime2(6), [number] int, [node] nvarchar(max), [outcome] nvarchar(max), [final_state] nvarchar(max), [error] nvarchar(max), [output] nvarchar(max)) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_attempt] t WHERE t.[job] = v.[job] AND t.[number] = v.[number]);

-- insert_lease
INSERT INTO [visor_lease] ([id], [node], [epoch], [taken_at], [jobs], [limited]) SELECT v.[id], v.[node], v.[epoch], v.[taken_at], v.[jobs], v.[limited] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([id] bigint, [node] nvarchar(max), [epoch] bigint, [taken_at] datetime2(6), [jobs] nvarchar(max), [limited] nvarchar(max)) v;

-- insert_node
INSERT INTO [visor_node] ([name], [address], [state], [epoch], [lease_until], [exclusive], [slots], [started_at], [version], [queues], [capabilities], [requested_state], [resources], [token], [survived]) SELECT v.[name], v.[address], v.[state], v.[epoch], v.[lease_until], v.[exclusive], v.[slots], v.[started_at], v.[version], v.[queues], v.[capabilities], v.[requested_state], v.[resources], v.[token], v.[survived] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([name] nvarchar(max), [address] nvarchar(max), [state] nvarchar(max), [epoch] bigint, [lease_until] datetime2(6), [exclusive] bit, [slots] int, [started_at] datetime2(6), [version] nvarchar(max), [queues] nvarchar(max), [capabilities] nvarchar(max), [requested_state] nvarchar(max), [resources] nvarchar(max), [token] bigint, [survived] bigint) v;

-- insert_new_sequence
INSERT INTO [visor_sequence] ([name], [next]) SELECT v.[name], v.[next] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [name] ORDER BY [name]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([name] nvarchar(max), [next] bigint) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_sequence] t WHERE t.[name] = v.[name] COLLATE Latin1_General_100_BIN2);

-- insert_node_type
INSERT INTO [visor_node_type] ([node], [type], [epoch]) SELECT v.[node], v.[type], v.[epoch] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([node] nvarchar(max), [type] nvarchar(max), [epoch] bigint) v;

-- insert_type_limit
INSERT INTO [visor_type_limit] ([type], [concurrency], [key_concurrency], [rate], [key_rate], [per]) SELECT v.[type], v.[concurrency], v.[key_concurrency], v.[rate], v.[key_rate], v.[per] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([type] nvarchar(max), [concurrency] int, [key_concurrency] int, [rate] int, [key_rate] int, [per] bigint) v;

-- insert_new_type_limit
INSERT INTO [visor_type_limit] ([type], [concurrency], [key_concurrency], [rate], [key_rate], [per]) SELECT v.[type], v.[concurrency], v.[key_concurrency], v.[rate], v.[key_rate], v.[per] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [type] ORDER BY [type]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([type] nvarchar(max), [concurrency] int, [key_concurrency] int, [rate] int, [key_rate] int, [per] bigint) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_type_limit] t WHERE t.[type] = v.[type] COLLATE Latin1_General_100_BIN2);

-- insert_claim
INSERT INTO [visor_claim] ([type], [taken_at], [lease], [number], [queue], [jobs]) SELECT v.[type], v.[taken_at], v.[lease], v.[number], v.[queue], v.[jobs] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([type] nvarchar(max), [taken_at] datetime2(6), [lease] bigint, [number] int, [queue] nvarchar(max), [jobs] int) v;

-- insert_new_schedule
INSERT INTO [visor_schedule] ([id], [origin], [expression], [zone], [type], [payload], [queue], [priority], [max_attempts], [misfire], [misfire_limit], [misfire_window], [overlap], [max_failures], [owner], [description], [phrase], [output], [state], [next_at], [last_at], [last_job], [run_count], [failure_count], [last_error], [created_at], [updated_at], [version], [max_lost], [set_name], [digest], [retired_at], [dst_gap], [dst_overlap], [anchor]) SELECT v.[id], v.[origin], v.[expression], v.[zone], v.[type], v.[payload], v.[queue], v.[priority], v.[max_attempts], v.[misfire], v.[misfire_limit], v.[misfire_window], v.[overlap], v.[max_failures], v.[owner], v.[description], v.[phrase], v.[output], v.[state], v.[next_at], v.[last_at], v.[last_job], v.[run_count], v.[failure_count], v.[last_error], v.[created_at], v.[updated_at], v.[version], v.[max_lost], v.[set_name], v.[digest], v.[retired_at], v.[dst_gap], v.[dst_overlap], v.[anchor] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [id] ORDER BY [id]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([id] nvarchar(max), [origin] nvarchar(max), [expression] nvarchar(max), [zone] nvarchar(max), [type] nvarchar(max), [payload] nvarchar(max), [queue] nvarchar(max), [priority] int, [max_attempts] int, [misfire] nvarchar(max), [misfire_limit] int, [misfire_window] bigint, [overlap] nvarchar(max), [max_failures] int, [owner] nvarchar(max), [description] nvarchar(max), [phrase] nvarchar(max), [output] nvarchar(max), [state] nvarchar(max), [next_at] datetime2(6), [last_at] datetime2(6), [last_job] bigint, [run_count] bigint, [failure_count] int, [last_error] nvarchar(max), [created_at] datetime2(6), [updated_at] datetime2(6), [version] bigint, [max_lost] int, [set_name] nvarchar(max), [digest] nvarchar(max), [retired_at] datetime2(6), [dst_gap] nvarchar(max), [dst_overlap] nvarchar(max), [anchor] nvarchar(max)) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_schedule] t WHERE t.[id] = v.[id] COLLATE Latin1_General_100_BIN2);

-- insert_fire
INSERT INTO [visor_fire] ([schedule], [planned_at], [fired_at], [node], [result], [job]) SELECT v.[schedule], v.[planned_at], v.[fired_at], v.[node], v.[result], v.[job] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([schedule] nvarchar(max), [planned_at] datetime2(6), [fired_at] datetime2(6), [node] nvarchar(max), [result] nvarchar(max), [job] bigint) v;

-- insert_new_fire
INSERT INTO [visor_fire] ([schedule], [planned_at], [fired_at], [node], [result], [reason]) SELECT v.[schedule], v.[planned_at], v.[fired_at], v.[node], v.[result], v.[reason] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [schedule], [planned_at] ORDER BY [schedule], [planned_at]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([schedule] nvarchar(max), [planned_at] datetime2(6), [fired_at] datetime2(6), [node] nvarchar(max), [result] nvarchar(max), [reason] nvarchar(max)) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_fire] t WHERE t.[schedule] = v.[schedule] COLLATE Latin1_General_100_BIN2 AND t.[planned_at] = v.[planned_at]);

-- insert_declaration
INSERT INTO [visor_declaration] ([node], [origin], [set_name], [declared_at], [digest]) SELECT v.[node], v.[origin], v.[set_name], v.[declared_at], v.[digest] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([node] nvarchar(max), [origin] nvarchar(max), [set_name] nvarchar(max), [declared_at] datetime2(6), [digest] nvarchar(max)) v;

-- insert_new_manifest
INSERT INTO [visor_manifest] ([digest], [origin], [set_name], [declared_at], [parts]) SELECT v.[digest], v.[origin], v.[set_name], v.[declared_at], v.[parts] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [digest] ORDER BY [digest]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([digest] nvarchar(max), [origin] nvarchar(max), [set_name] nvarchar(max), [declared_at] datetime2(6), [parts] int) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_manifest] t WHERE t.[digest] = v.[digest] COLLATE Latin1_General_100_BIN2);

-- insert_new_manifest_part
INSERT INTO [visor_manifest_part] ([digest], [part], [written_at], [entries]) SELECT v.[digest], v.[part], v.[written_at], v.[entries] FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY [digest], [part] ORDER BY [digest], [part]) AS nth FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([digest] nvarchar(max), [part] int, [written_at] datetime2(6), [entries] nvarchar(max)) r) v WHERE v.nth = 1 AND NOT EXISTS (SELECT 1 FROM [visor_manifest_part] t WHERE t.[digest] = v.[digest] COLLATE Latin1_General_100_BIN2 AND t.[part] = v.[part]);

-- insert_migration
INSERT INTO [visor_migration] ([version], [name], [checksum], [applied_at]) SELECT v.[version], v.[name], v.[checksum], v.[applied_at] FROM OPENJSON(CAST(? AS nvarchar(max))) WITH ([version] int, [name] nvarchar(max), [checksum] nvarchar(max), [applied_at] datetime2(6)) v;

