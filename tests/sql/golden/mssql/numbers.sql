-- next_numbers
SELECT CAST(@@IDENTITY AS bigint) AS [number], (SELECT MAX([id]) FROM [visor_job]) AS [highest];

-- before_number
INSERT INTO [visor_job_number] DEFAULT VALUES;

-- remove_number
DELETE FROM [visor_job_number] WHERE [number] = ?;

-- raise_numbers
SET IDENTITY_INSERT [visor_job_number] ON; INSERT INTO [visor_job_number] ([number]) VALUES (;

-- raise_numbers_end
); SET IDENTITY_INSERT [visor_job_number] OFF;

-- highest_job
SELECT MAX([id]) AS [highest] FROM [visor_job];

