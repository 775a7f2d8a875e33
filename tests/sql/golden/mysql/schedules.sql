-- insert_new_schedule
INSERT INTO `visor_schedule` (`id`, `origin`, `expression`, `zone`, `type`, `payload`, `queue`, `priority`, `max_attempts`, `misfire`, `misfire_limit`, `misfire_window`, `overlap`, `max_failures`, `owner`, `description`, `phrase`, `output`, `state`, `next_at`, `last_at`, `last_job`, `run_count`, `failure_count`, `last_error`, `created_at`, `updated_at`, `version`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE `id` = `id`;

-- update_schedule
UPDATE `visor_schedule` SET `origin` = ?, `expression` = ?, `zone` = ?, `type` = ?, `payload` = ?, `queue` = ?, `priority` = ?, `max_attempts` = ?, `misfire` = ?, `misfire_limit` = ?, `misfire_window` = ?, `overlap` = ?, `max_failures` = ?, `owner` = ?, `description` = ?, `phrase` = ?, `output` = ?, `state` = ?, `next_at` = ?, `last_at` = ?, `last_job` = ?, `run_count` = ?, `failure_count` = ?, `last_error` = ?, `created_at` = ?, `updated_at` = ?, `version` = ? WHERE `id` = ?;

-- find_schedule
SELECT `id`, `origin`, `expression`, `zone`, `type`, `payload`, `queue`, `priority`, `max_attempts`, `misfire`, `misfire_limit`, `misfire_window`, `overlap`, `max_failures`, `owner`, `description`, `phrase`, `output`, `state`, `next_at`, `last_at`, `last_job`, `run_count`, `failure_count`, `last_error`, `created_at`, `updated_at`, `version` FROM `visor_schedule` WHERE `id` = ?;

-- remove_schedule
DELETE FROM `visor_schedule` WHERE `id` = ?;

-- outlook
SELECT (SELECT min(`next_at`) FROM `visor_schedule` WHERE `state` = 'active') AS `next_fire`, (SELECT min(`run_at`) FROM `visor_scheduled`) AS `next_job`, (SELECT min(`queue`) FROM `visor_ready`) AS `queue`;

-- due_schedules
SELECT `id`, `origin`, `expression`, `zone`, `type`, `payload`, `queue`, `priority`, `max_attempts`, `misfire`, `misfire_limit`, `misfire_window`, `overlap`, `max_failures`, `owner`, `description`, `phrase`, `output`, `state`, `next_at`, `last_at`, `last_job`, `run_count`, `failure_count`, `last_error`, `created_at`, `updated_at`, `version` FROM `visor_schedule` WHERE `state` = 'active' AND `next_at` <= ? ORDER BY `next_at`, `id` LIMIT ?;

-- next_due_schedule
SELECT `next_at` FROM `visor_schedule` WHERE `state` = 'active' AND `next_at` > ? ORDER BY `next_at`, `id` LIMIT ?;

-- schedules_of_origin
SELECT `id`, `origin`, `expression`, `zone`, `type`, `payload`, `queue`, `priority`, `max_attempts`, `misfire`, `misfire_limit`, `misfire_window`, `overlap`, `max_failures`, `owner`, `description`, `phrase`, `output`, `state`, `next_at`, `last_at`, `last_job`, `run_count`, `failure_count`, `last_error`, `created_at`, `updated_at`, `version` FROM `visor_schedule` WHERE `origin` = ?;

-- list_schedules
SELECT `id`, `origin`, `expression`, `zone`, `type`, `payload`, `queue`, `priority`, `max_attempts`, `misfire`, `misfire_limit`, `misfire_window`, `overlap`, `max_failures`, `owner`, `description`, `phrase`, `output`, `state`, `next_at`, `last_at`, `last_job`, `run_count`, `failure_count`, `last_error`, `created_at`, `updated_at`, `version` FROM `visor_schedule` WHERE `id` >= ? AND (? IS NULL OR `id` < ?) AND (? IS NULL OR `state` = ?) AND (? IS NULL OR `state` <> ?) AND (? IS NULL OR `owner` = ?) ORDER BY `id` LIMIT ?;

-- advance_schedule
UPDATE `visor_schedule` SET `next_at` = ?, `state` = ?, `last_at` = ?, `last_job` = ?, `run_count` = `run_count` + ? WHERE `id` = ?;

-- job_completed
UPDATE `visor_schedule` SET `failure_count` = 0 WHERE `id` = ? AND `failure_count` <> 0;

-- job_failed
UPDATE `visor_schedule` SET `state` = CASE WHEN `state` = 'active' AND `max_failures` > 0 AND `failure_count` + 1 >= `max_failures` THEN 'failed' ELSE `state` END, `last_error` = ?, `failure_count` = `failure_count` + 1 WHERE `id` = ?;

-- insert_fire
INSERT INTO `visor_fire` (`schedule`, `planned_at`, `fired_at`, `node`, `result`, `job`) VALUES (?, ?, ?, ?, ?, ?);

-- find_fire
SELECT `planned_at` FROM `visor_fire` WHERE `schedule` = ? AND `planned_at` = ?;

-- fires_of
SELECT `schedule`, `planned_at`, `fired_at`, `node`, `result`, `job` FROM `visor_fire` WHERE `schedule` = ? ORDER BY `planned_at` DESC LIMIT ?;

