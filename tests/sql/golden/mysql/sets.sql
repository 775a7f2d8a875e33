-- declared_digests
SELECT DISTINCT `digest` FROM `visor_declaration` WHERE `origin` = ? AND `set_name` = ? ORDER BY `digest`;

-- all_declarations
SELECT `node`, `origin`, `set_name`, `declared_at`, `digest` FROM `visor_declaration` ORDER BY `node`, `origin`, `set_name`;

-- remove_declarations
DELETE FROM `visor_declaration` WHERE `node` = ?;

-- insert_declaration
INSERT INTO `visor_declaration` (`node`, `origin`, `set_name`, `declared_at`, `digest`) VALUES (?, ?, ?, ?, ?);

-- insert_new_manifest
INSERT INTO `visor_manifest` (`digest`, `origin`, `set_name`, `declared_at`, `parts`) VALUES (?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE `digest` = `digest`;

-- touch_manifest
UPDATE `visor_manifest` SET `declared_at` = ? WHERE `digest` = ?;

-- manifests_of_set
SELECT `digest` FROM `visor_manifest` WHERE `origin` = ? AND `set_name` = ? ORDER BY `declared_at` DESC, `digest`;

-- remove_manifest
DELETE FROM `visor_manifest` WHERE `digest` = ?;

-- insert_new_manifest_part
INSERT INTO `visor_manifest_part` (`digest`, `part`, `written_at`, `entries`) VALUES (?, ?, ?, ?) ON DUPLICATE KEY UPDATE `digest` = `digest`;

-- count_manifest_parts
SELECT count(*) AS `parts` FROM `visor_manifest_part` WHERE `digest` = ?;

-- manifest_parts
SELECT m.`parts`, p.`entries` FROM `visor_manifest` m JOIN `visor_manifest_part` p ON p.`digest` = m.`digest` WHERE m.`digest` = ? ORDER BY p.`part`;

-- remove_manifest_parts
DELETE FROM `visor_manifest_part` WHERE `digest` = ?;

-- remove_stray_parts
DELETE FROM `visor_manifest_part` WHERE `written_at` < ? AND NOT EXISTS (SELECT 1 FROM `visor_manifest` m WHERE m.`digest` = `visor_manifest_part`.`digest`);

-- schedule_digests
SELECT `id`, `set_name`, `digest`, `version`, `retired_at` FROM `visor_schedule` WHERE `origin` = ? ORDER BY `id`;

-- redefine_schedule
UPDATE `visor_schedule` SET `state` = CASE WHEN `state` = 'completed' THEN ? ELSE `state` END, `version` = `version` + 1, `expression` = ?, `zone` = ?, `type` = ?, `payload` = ?, `queue` = ?, `priority` = ?, `max_attempts` = ?, `misfire` = ?, `misfire_limit` = ?, `misfire_window` = ?, `overlap` = ?, `max_failures` = ?, `owner` = ?, `description` = ?, `phrase` = ?, `output` = ?, `next_at` = ?, `updated_at` = ?, `max_lost` = ?, `digest` = ?, `dst_gap` = ?, `dst_overlap` = ?, `anchor` = ? WHERE `id` = ? AND `version` = ? AND `retired_at` IS NULL AND `digest` <> ?;

-- retire_schedule
UPDATE `visor_schedule` SET `retired_at` = ?, `next_at` = NULL, `version` = `version` + 1 WHERE `id` = ? AND `version` = ? AND `retired_at` IS NULL;

