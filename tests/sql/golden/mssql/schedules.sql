-- insert_new_schedule
INSERT INTO [visor_schedule] ([id], [origin], [expression], [zone], [type], [payload], [queue], [priority], [max_attempts], [misfire], [misfire_limit], [misfire_window], [overlap], [max_failures], [owner], [description], [phrase], [output], [state], [next_at], [last_at], [last_job], [run_count], [failure_count], [last_error], [created_at], [updated_at], [version], [max_lost], [set_name], [digest], [retired_at], [dst_gap], [dst_overlap], [anchor]) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM [visor_schedule] WHERE [id] = ?);

-- update_schedule
UPDATE [visor_schedule] SET [origin] = ?, [expression] = ?, [zone] = ?, [type] = ?, [payload] = ?, [queue] = ?, [priority] = ?, [max_attempts] = ?, [misfire] = ?, [misfire_limit] = ?, [misfire_window] = ?, [overlap] = ?, [max_failures] = ?, [owner] = ?, [description] = ?, [phrase] = ?, [output] = ?, [state] = ?, [next_at] = ?, [last_at] = ?, [last_job] = ?, [run_count] = ?, [failure_count] = ?, [last_error] = ?, [created_at] = ?, [updated_at] = ?, [version] = ?, [max_lost] = ?, [set_name] = ?, [digest] = ?, [retired_at] = ?, [dst_gap] = ?, [dst_overlap] = ?, [anchor] = ? WHERE [id] = ?;

-- find_schedule
SELECT [id], [origin], [expression], [zone], [type], [payload], [queue], [priority], [max_attempts], [misfire], [misfire_limit], [misfire_window], [overlap], [max_failures], [owner], [description], [phrase], [output], [state], [next_at], [last_at], [last_job], [run_count], [failure_count], [last_error], [created_at], [updated_at], [version], [max_lost], [set_name], [digest], [retired_at], [dst_gap], [dst_overlap], [anchor] FROM [visor_schedule] WHERE [id] = ? AND [retired_at] IS NULL;

-- find_any_schedule
SELECT [id], [origin], [expression], [zone], [type], [payload], [queue], [priority], [max_attempts], [misfire], [misfire_limit], [misfire_window], [overlap], [max_failures], [owner], [description], [phrase], [output], [state], [next_at], [last_at], [last_job], [run_count], [failure_count], [last_error], [created_at], [updated_at], [version], [max_lost], [set_name], [digest], [retired_at], [dst_gap], [dst_overlap], [anchor] FROM [visor_schedule] WHERE [id] = ?;

-- remove_schedule
DELETE FROM [visor_schedule] WHERE [id] = ? AND [retired_at] IS NULL;

-- remove_retired_schedule
DELETE FROM [visor_schedule] WHERE [id] = ? AND [retired_at] IS NOT NULL;

-- pending_work
SELECT (SELECT min([next_at]) FROM [visor_schedule] WHERE [state] = 'active') AS [next_fire], (SELECT min([run_at]) FROM [visor_scheduled]) AS [next_job], (SELECT min([queue]) FROM [visor_ready]) AS [queue], (SELECT count(*) FROM [visor_type_limit]) AS [lanes], (SELECT max([version]) FROM [visor_migration]) AS [schema];

-- due_schedules
SELECT [id], [origin], [expression], [zone], [type], [payload], [queue], [priority], [max_attempts], [misfire], [misfire_limit], [misfire_window], [overlap], [max_failures], [owner], [description], [phrase], [output], [state], [next_at], [last_at], [last_job], [run_count], [failure_count], [last_error], [created_at], [updated_at], [version], [max_lost], [set_name], [digest], [retired_at], [dst_gap], [dst_overlap], [anchor] FROM [visor_schedule] WHERE [state] = 'active' AND [next_at] <= ? ORDER BY [next_at], [id] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- due_schedules_after
SELECT [id], [origin], [expression], [zone], [type], [payload], [queue], [priority], [max_attempts], [misfire], [misfire_limit], [misfire_window], [overlap], [max_failures], [owner], [description], [phrase], [output], [state], [next_at], [last_at], [last_job], [run_count], [failure_count], [last_error], [created_at], [updated_at], [version], [max_lost], [set_name], [digest], [retired_at], [dst_gap], [dst_overlap], [anchor] FROM [visor_schedule] WHERE [state] = 'active' AND [next_at] <= ? AND [next_at] >= ? AND ([next_at] > ? OR [id] > ?) ORDER BY [next_at], [id] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- next_due_schedule
SELECT [next_at] FROM [visor_schedule] WHERE [state] = 'active' AND [next_at] > ? ORDER BY [next_at], [id] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- list_schedules
SELECT [id], [origin], [expression], [zone], [type], [payload], [queue], [priority], [max_attempts], [misfire], [misfire_limit], [misfire_window], [overlap], [max_failures], [owner], [description], [phrase], [output], [state], [next_at], [last_at], [last_job], [run_count], [failure_count], [last_error], [created_at], [updated_at], [version], [max_lost], [set_name], [digest], [retired_at], [dst_gap], [dst_overlap], [anchor] FROM [visor_schedule] WHERE [id] >= ? AND (? IS NULL OR [id] < ?) AND (? IS NULL OR [id] <> ?) AND (? IS NULL OR [state] = ?) AND (? IS NULL OR [state] <> ?) AND (? IS NULL OR [owner] = ?) AND [retired_at] IS NULL ORDER BY [id] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- advance_schedule
UPDATE [visor_schedule] SET [next_at] = ?, [state] = ?, [last_at] = ?, [last_job] = ?, [run_count] = [run_count] + ? WHERE [id] = ?;

-- job_completed
UPDATE [visor_schedule] SET [failure_count] = 0 WHERE [id] = ? AND [failure_count] <> 0;

-- job_failed
UPDATE [visor_schedule] SET [state] = CASE WHEN [state] = 'active' AND [max_failures] > 0 AND [failure_count] + 1 >= [max_failures] THEN 'failed' ELSE [state] END, [last_error] = ?, [failure_count] = [failure_count] + 1 WHERE [id] = ?;

-- insert_fire
INSERT INTO [visor_fire] ([schedule], [planned_at], [fired_at], [node], [result], [job]) VALUES (?, ?, ?, ?, ?, ?);

-- find_fire
SELECT [result] FROM [visor_fire] WHERE [schedule] = ? AND [planned_at] = ?;

-- replace_missed_fire
UPDATE [visor_fire] SET [fired_at] = ?, [node] = ?, [result] = ?, [job] = ?, [reason] = NULL WHERE [schedule] = ? AND [planned_at] = ?;

-- insert_new_fire
INSERT INTO [visor_fire] ([schedule], [planned_at], [fired_at], [node], [result], [reason]) SELECT ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM [visor_fire] WHERE [schedule] = ? AND [planned_at] = ?);

-- acted_on
SELECT [planned_at] FROM [visor_fire] WHERE [schedule] = ? AND [planned_at] > ? AND [result] <> 'missed' ORDER BY [planned_at] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- correct_next
UPDATE [visor_schedule] SET [next_at] = ? WHERE [id] = ? AND [version] = ? AND [next_at] = ? AND [state] = 'active';

-- fires_of
SELECT [schedule], [planned_at], [fired_at], [node], [result], [job], [reason] FROM [visor_fire] WHERE [schedule] = ? ORDER BY [planned_at] DESC OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

