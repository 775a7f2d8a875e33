-- set_max_lost
UPDATE [visor_job] SET [max_lost] = ? WHERE [id] = ?;

-- count_uncounted
UPDATE [visor_job] SET [uncounted] = coalesce([uncounted], 0) + 1 WHERE [id] = ?;

-- insert_job
INSERT INTO [visor_job] ([id], [run_at], [created_at], [priority], [max_attempts], [payload], [type], [queue], [schedule], [planned_at], [owner]) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- insert_new_job
INSERT INTO [visor_job] ([id], [run_at], [created_at], [priority], [max_attempts], [payload], [type], [queue], [schedule], [planned_at], [owner]) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM [visor_job] WHERE [id] = ?);

-- insert_ready
INSERT INTO [visor_ready] ([run_at], [job], [priority], [attempt], [queue]) VALUES (?, ?, ?, ?, ?);

-- insert_scheduled
INSERT INTO [visor_scheduled] ([run_at], [job], [priority], [attempt], [queue]) VALUES (?, ?, ?, ?, ?);

-- insert_waiting
INSERT INTO [visor_waiting] ([blocker], [job], [run_at], [priority], [attempt], [queue]) VALUES (?, ?, ?, ?, ?, ?);

-- insert_dead
INSERT INTO [visor_dead] ([job], [died_at], [attempts], [error]) VALUES (?, ?, ?, ?);

-- insert_new_cancel
INSERT INTO [visor_cancel] ([job], [requested_at]) SELECT ?, ? WHERE NOT EXISTS (SELECT 1 FROM [visor_cancel] WHERE [job] = ?);

-- front_of_queue
SELECT j.[id], r.[attempt], j.[type], r.[queue], r.[priority], CASE WHEN DATALENGTH(j.[payload]) <= ? THEN j.[payload] ELSE N'' END AS [payload], j.[max_attempts], j.[schedule], j.[planned_at], r.[run_at], j.[created_at], j.[uncounted] FROM [visor_ready] r JOIN [visor_job] j ON j.[id] = r.[job] WHERE r.[queue] = ? ORDER BY r.[priority], r.[run_at], r.[job] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- ready_jobs
SELECT j.[id], r.[attempt], j.[type], r.[queue], r.[priority], CASE WHEN DATALENGTH(j.[payload]) <= ? THEN j.[payload] ELSE N'' END AS [payload], j.[max_attempts], j.[schedule], j.[planned_at], r.[run_at], j.[created_at], j.[uncounted] FROM [visor_ready] r JOIN [visor_job] j ON j.[id] = r.[job] WHERE r.[queue] = ? ORDER BY r.[priority], r.[run_at], r.[job] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- find_payload
SELECT [payload] FROM [visor_job] WHERE [id] = ?;

-- remove_front
DELETE FROM [visor_ready] WHERE [queue] = ? AND ([priority], [run_at], [job]) <= (?, ?, ?);

-- remove_ready
DELETE FROM [visor_ready] WHERE [queue] = ? AND [priority] = ? AND [run_at] = ? AND [job] = ?;

-- remove_retried_ready
DELETE FROM [visor_ready] WHERE [queue] = ? AND [priority] = ? AND [job] = ?;

-- remove_scheduled
DELETE FROM [visor_scheduled] WHERE [job] = ?;

-- remove_waiting
DELETE FROM [visor_waiting] WHERE [job] = ?;

-- remove_dead
DELETE FROM [visor_dead] WHERE [job] = ?;

-- remove_cancel
DELETE FROM [visor_cancel] WHERE [job] = ?;

-- put_ready
INSERT INTO [visor_ready] ([queue], [priority], [run_at], [job], [attempt]) SELECT [queue], [priority], coalesce(?, [run_at]), [id], ? FROM [visor_job] WHERE [id] = ?;

-- put_scheduled
INSERT INTO [visor_scheduled] ([run_at], [job], [queue], [priority], [attempt]) SELECT coalesce(?, [run_at]), [id], [queue], [priority], ? FROM [visor_job] WHERE [id] = ?;

-- find_facts
SELECT [queue], [priority], [run_at], [max_attempts], [schedule], [max_lost] FROM [visor_job] WHERE [id] = ?;

-- due_jobs
SELECT [run_at], [job], [priority], [attempt], [queue] FROM [visor_scheduled] WHERE [run_at] <= ? ORDER BY [run_at], [job] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- remove_due
DELETE FROM [visor_scheduled] WHERE [run_at] = ? AND [job] = ?;

-- next_scheduled
SELECT [run_at] FROM [visor_scheduled] ORDER BY [run_at], [job] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- next_scheduled_jobs
SELECT [run_at], [job] FROM [visor_scheduled] ORDER BY [run_at], [job] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- any_waiting
SELECT [job] FROM [visor_waiting] ORDER BY [blocker], [job] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- waiting_behind
SELECT [blocker], [job], [run_at], [priority], [attempt], [queue] FROM [visor_waiting] WHERE [blocker] = ? ORDER BY [job];

-- stranded_waiting
SELECT [blocker], [job], [run_at], [priority], [attempt], [queue] FROM [visor_waiting] w WHERE EXISTS (SELECT 1 FROM [visor_attempt] a WHERE a.[job] = w.[blocker] AND a.[final_state] IS NOT NULL) ORDER BY [blocker], [job];

-- remove_waiting_behind
DELETE FROM [visor_waiting] WHERE [blocker] = ?;

-- find_waiting
SELECT [blocker], [job], [run_at], [priority], [attempt], [queue] FROM [visor_waiting] WHERE [job] = ?;

-- cancels
SELECT [job] FROM [visor_cancel] ORDER BY [job] OFFSET 0 ROWS FETCH NEXT ? ROWS ONLY;

-- find_cancel
SELECT [job] FROM [visor_cancel] WHERE [job] = ?;

