-- insert_node_type
INSERT INTO `visor_node_type` (`node`, `type`, `epoch`) VALUES (?, ?, ?);

-- all_node_types
SELECT `node`, `type`, `epoch` FROM `visor_node_type` ORDER BY `node`, `type`;

-- types_of_node
SELECT `node`, `type`, `epoch` FROM `visor_node_type` WHERE `node` = ?;

-- remove_node_type
DELETE FROM `visor_node_type` WHERE `node` = ? AND `type` = ?;

-- insert_type_limit
INSERT INTO `visor_type_limit` (`type`, `concurrency`, `key_concurrency`, `rate`, `key_rate`, `per`) VALUES (?, ?, ?, ?, ?, ?);

-- insert_new_type_limit
INSERT INTO `visor_type_limit` (`type`, `concurrency`, `key_concurrency`, `rate`, `key_rate`, `per`) VALUES (?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE `type` = `type`;

-- update_type_limit
UPDATE `visor_type_limit` SET `concurrency` = ?, `key_concurrency` = ?, `rate` = ?, `key_rate` = ?, `per` = ? WHERE `type` = ?;

-- all_limits
SELECT `type`, `concurrency`, `key_concurrency`, `rate`, `key_rate`, `per` FROM `visor_type_limit` ORDER BY `type`;

-- find_limit
SELECT `type`, `concurrency`, `key_concurrency`, `rate`, `key_rate`, `per` FROM `visor_type_limit` WHERE `type` = ? FOR UPDATE;

-- running_of_type
SELECT j.`queue` AS `queue`, count(*) AS `jobs` FROM `visor_lease` l, JSON_TABLE(l.`jobs`, '$[*]' COLUMNS (value BIGINT PATH '$')) e, `visor_job` j WHERE l.`limited` = ? AND j.`id` = e.value AND (SELECT max(a.`number`) FROM `visor_attempt` a WHERE a.`job` = e.value AND a.`lease` = l.`id`) IS NULL GROUP BY j.`queue`;

-- claims_of_type
SELECT `queue`, `taken_at`, `jobs` FROM `visor_claim` WHERE `type` = ? AND `taken_at` > ?;

-- forget_claims
DELETE FROM `visor_claim` WHERE `type` = ? AND `taken_at` <= ?;

-- insert_claim
INSERT INTO `visor_claim` (`type`, `taken_at`, `lease`, `number`, `queue`, `jobs`) VALUES (?, ?, ?, ?, ?, ?);

-- next_queue
SELECT `queue` FROM `visor_ready` WHERE `queue` > ? AND `queue` < ? ORDER BY `queue`, `priority`, `run_at`, `job` LIMIT ?;

-- move_job
UPDATE `visor_job` SET `queue` = ? WHERE `id` = ?;

