-- insert_migration
INSERT INTO `visor_migration` (`version`, `name`, `checksum`, `applied_at`) VALUES (?, ?, ?, ?);

-- all_migrations
SELECT `version`, `name`, `checksum`, `applied_at` FROM `visor_migration` ORDER BY `version`;

-- latest_version
SELECT max(`version`) AS `schema` FROM `visor_migration`;

-- remove_migration
DELETE FROM `visor_migration` WHERE `version` = ?;

-- catalog
SELECT c.table_name AS table_name, 'column' AS kind, c.column_name AS part FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name LIKE 'visor!_%' ESCAPE '!' UNION SELECT c.table_name, 'longer column', c.column_name FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name LIKE 'visor!_%' ESCAPE '!' AND c.data_type = 'varchar' AND c.character_maximum_length > 255 UNION SELECT c.table_name, 'numbered column', c.column_name FROM information_schema.columns c WHERE c.table_schema = DATABASE() AND c.table_name LIKE 'visor!_%' ESCAPE '!' AND c.extra LIKE '%auto_increment%' UNION SELECT s.table_name, 'primary key', CONCAT(s.seq_in_index, ' ', s.column_name) FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name LIKE 'visor!_%' ESCAPE '!' AND s.index_name = 'PRIMARY' UNION SELECT s.table_name, 'index', s.index_name FROM information_schema.statistics s WHERE s.table_schema = DATABASE() AND s.table_name LIKE 'visor!_%' ESCAPE '!' AND s.index_name <> 'PRIMARY' ORDER BY 1, 2, 3;

-- any_job
SELECT `id` FROM `visor_job` ORDER BY `id` LIMIT ?;

-- working_nodes
SELECT `name`, `address`, `version`, `lease_until` FROM `visor_node` WHERE `state` <> 'offline' ORDER BY `name`;

-- raise_epochs
UPDATE `visor_node` SET `epoch` = ?;

-- lock_sequence
SELECT `next` FROM `visor_sequence` WHERE `name` = ? FOR UPDATE;

-- find_unlocked_sequence
SELECT `next` FROM `visor_sequence` WHERE `name` = ? FOR UPDATE SKIP LOCKED;

CREATE TABLE `visor_migration` (
  `version` INT NOT NULL,
  `name` LONGTEXT NOT NULL,
  `checksum` LONGTEXT NOT NULL,
  `applied_at` BIGINT NOT NULL,
  PRIMARY KEY (`version`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;

-- up 1: jobs, schedules and nodes, checksum e8ab89e065fd913c
CREATE TABLE `visor_job` (
  `id` BIGINT NOT NULL,
  `run_at` BIGINT NOT NULL,
  `created_at` BIGINT NOT NULL,
  `priority` INT NOT NULL,
  `max_attempts` INT NOT NULL,
  `payload` LONGTEXT NOT NULL,
  `type` LONGTEXT NOT NULL,
  `queue` VARCHAR(255) NOT NULL,
  `schedule` VARCHAR(255),
  `planned_at` BIGINT,
  `owner` LONGTEXT,
  PRIMARY KEY (`id`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_ready` (
  `run_at` BIGINT NOT NULL,
  `job` BIGINT NOT NULL,
  `priority` INT NOT NULL,
  `queue` VARCHAR(255) NOT NULL,
  `attempt` INT NOT NULL,
  PRIMARY KEY (`queue`, `priority`, `run_at`, `job`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_scheduled` (
  `run_at` BIGINT NOT NULL,
  `job` BIGINT NOT NULL,
  `priority` INT NOT NULL,
  `attempt` INT NOT NULL,
  `queue` VARCHAR(255) NOT NULL,
  PRIMARY KEY (`run_at`, `job`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE INDEX `visor_scheduled_job` ON `visor_scheduled` (`job`);
CREATE TABLE `visor_waiting` (
  `blocker` BIGINT NOT NULL,
  `job` BIGINT NOT NULL,
  `run_at` BIGINT NOT NULL,
  `priority` INT NOT NULL,
  `attempt` INT NOT NULL,
  `queue` VARCHAR(255) NOT NULL,
  PRIMARY KEY (`blocker`, `job`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE INDEX `visor_waiting_job` ON `visor_waiting` (`job`);
CREATE TABLE `visor_lease` (
  `id` BIGINT NOT NULL,
  `node` VARCHAR(255) NOT NULL,
  `epoch` BIGINT NOT NULL,
  `taken_at` BIGINT NOT NULL,
  `jobs` LONGTEXT NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_attempt` (
  `job` BIGINT NOT NULL,
  `lease` BIGINT,
  `epoch` BIGINT,
  `started_at` BIGINT,
  `finished_at` BIGINT NOT NULL,
  `number` INT NOT NULL,
  `node` VARCHAR(255),
  `outcome` LONGTEXT,
  `final_state` VARCHAR(255),
  `error` LONGTEXT,
  `output` LONGTEXT,
  PRIMARY KEY (`job`, `number`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE INDEX `visor_attempt_ended` ON `visor_attempt` (`final_state`, `job`);
CREATE TABLE `visor_dead` (
  `job` BIGINT NOT NULL,
  `died_at` BIGINT NOT NULL,
  `attempts` INT NOT NULL,
  `error` LONGTEXT,
  PRIMARY KEY (`job`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_cancel` (
  `job` BIGINT NOT NULL,
  `requested_at` BIGINT NOT NULL,
  PRIMARY KEY (`job`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_node` (
  `name` VARCHAR(255) NOT NULL,
  `address` LONGTEXT NOT NULL,
  `state` LONGTEXT NOT NULL,
  `epoch` BIGINT NOT NULL,
  `lease_until` BIGINT NOT NULL,
  `exclusive` BOOLEAN NOT NULL,
  `slots` INT NOT NULL,
  `started_at` BIGINT NOT NULL,
  `version` LONGTEXT NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_schedule` (
  `id` VARCHAR(255) NOT NULL,
  `origin` VARCHAR(255) NOT NULL,
  `expression` LONGTEXT NOT NULL,
  `zone` LONGTEXT NOT NULL,
  `type` LONGTEXT NOT NULL,
  `payload` LONGTEXT NOT NULL,
  `queue` VARCHAR(255) NOT NULL,
  `priority` INT NOT NULL,
  `max_attempts` INT NOT NULL,
  `misfire` LONGTEXT NOT NULL,
  `misfire_limit` INT NOT NULL,
  `misfire_window` BIGINT NOT NULL,
  `overlap` LONGTEXT NOT NULL,
  `max_failures` INT NOT NULL,
  `owner` LONGTEXT,
  `description` LONGTEXT,
  `phrase` LONGTEXT,
  `output` LONGTEXT,
  `state` VARCHAR(255) NOT NULL,
  `next_at` BIGINT,
  `last_at` BIGINT,
  `last_job` BIGINT,
  `run_count` BIGINT NOT NULL,
  `failure_count` INT NOT NULL,
  `last_error` LONGTEXT,
  `created_at` BIGINT NOT NULL,
  `updated_at` BIGINT NOT NULL,
  `version` BIGINT NOT NULL,
  PRIMARY KEY (`id`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE INDEX `visor_schedule_due` ON `visor_schedule` (`state`, `next_at`, `id`);
CREATE INDEX `visor_schedule_origin` ON `visor_schedule` (`origin`);
CREATE TABLE `visor_fire` (
  `schedule` VARCHAR(255) NOT NULL,
  `planned_at` BIGINT NOT NULL,
  `fired_at` BIGINT NOT NULL,
  `node` VARCHAR(255) NOT NULL,
  `result` LONGTEXT NOT NULL,
  `job` BIGINT,
  PRIMARY KEY (`schedule`, `planned_at`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_sequence` (
  `name` VARCHAR(255) NOT NULL,
  `next` BIGINT NOT NULL,
  PRIMARY KEY (`name`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
-- down 1
DROP TABLE `visor_sequence`;
DROP TABLE `visor_fire`;
DROP TABLE `visor_schedule`;
DROP TABLE `visor_node`;
DROP TABLE `visor_cancel`;
DROP TABLE `visor_dead`;
DROP TABLE `visor_attempt`;
DROP TABLE `visor_lease`;
DROP TABLE `visor_waiting`;
DROP TABLE `visor_scheduled`;
DROP TABLE `visor_ready`;
DROP TABLE `visor_job`;
-- up 2: what nodes offer, checksum bf668aa86adfcd85
ALTER TABLE `visor_node` ADD COLUMN `queues` LONGTEXT;
ALTER TABLE `visor_node` ADD COLUMN `capabilities` LONGTEXT;
ALTER TABLE `visor_node` ADD COLUMN `wish` LONGTEXT;
-- down 2
ALTER TABLE `visor_node` DROP COLUMN `queues`;
ALTER TABLE `visor_node` DROP COLUMN `capabilities`;
ALTER TABLE `visor_node` DROP COLUMN `wish`;
-- up 3: limits of job types, checksum 61c4ee4cb3df9c7e
ALTER TABLE `visor_lease` ADD COLUMN `limited` VARCHAR(255);
ALTER TABLE `visor_node` ADD COLUMN `resources` LONGTEXT;
CREATE TABLE `visor_type_limit` (
  `type` VARCHAR(255) NOT NULL,
  `concurrency` INT NOT NULL,
  `key_concurrency` INT NOT NULL,
  `rate` INT NOT NULL,
  `key_rate` INT NOT NULL,
  `per` BIGINT NOT NULL,
  PRIMARY KEY (`type`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_claim` (
  `type` VARCHAR(255) NOT NULL,
  `taken_at` BIGINT NOT NULL,
  `lease` BIGINT NOT NULL,
  `number` INT NOT NULL,
  `queue` VARCHAR(255) NOT NULL,
  `jobs` INT NOT NULL,
  PRIMARY KEY (`type`, `taken_at`, `lease`, `number`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
-- down 3
DROP TABLE `visor_claim`;
DROP TABLE `visor_type_limit`;
ALTER TABLE `visor_node` DROP COLUMN `resources`;
ALTER TABLE `visor_lease` DROP COLUMN `limited`;
-- up 4: declarations, losses and fences, checksum db401f8d4f87a618
ALTER TABLE `visor_job` ADD COLUMN `uncounted` INT;
ALTER TABLE `visor_job` ADD COLUMN `max_lost` INT;
ALTER TABLE `visor_node` ADD COLUMN `token` BIGINT;
ALTER TABLE `visor_node` ADD COLUMN `survived` BIGINT;
ALTER TABLE `visor_schedule` ADD COLUMN `max_lost` INT;
ALTER TABLE `visor_schedule` ADD COLUMN `set_name` VARCHAR(255);
ALTER TABLE `visor_schedule` ADD COLUMN `digest` VARCHAR(255);
ALTER TABLE `visor_schedule` ADD COLUMN `retired_at` BIGINT;
ALTER TABLE `visor_schedule` ADD COLUMN `dst_gap` LONGTEXT;
ALTER TABLE `visor_schedule` ADD COLUMN `dst_overlap` LONGTEXT;
ALTER TABLE `visor_schedule` ADD COLUMN `anchor` LONGTEXT;
ALTER TABLE `visor_fire` ADD COLUMN `reason` LONGTEXT;
CREATE TABLE `visor_node_type` (
  `node` VARCHAR(255) NOT NULL,
  `type` VARCHAR(255) NOT NULL,
  `epoch` BIGINT NOT NULL,
  PRIMARY KEY (`node`, `type`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_declaration` (
  `node` VARCHAR(255) NOT NULL,
  `origin` VARCHAR(255) NOT NULL,
  `set_name` VARCHAR(255) NOT NULL,
  `declared_at` BIGINT NOT NULL,
  `digest` VARCHAR(255) NOT NULL,
  PRIMARY KEY (`node`, `origin`, `set_name`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_manifest` (
  `digest` VARCHAR(255) NOT NULL,
  `origin` LONGTEXT NOT NULL,
  `set_name` VARCHAR(255) NOT NULL,
  `declared_at` BIGINT NOT NULL,
  `parts` INT NOT NULL,
  PRIMARY KEY (`digest`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
CREATE TABLE `visor_manifest_part` (
  `digest` VARCHAR(255) NOT NULL,
  `part` INT NOT NULL,
  `written_at` BIGINT NOT NULL,
  `entries` LONGTEXT NOT NULL,
  PRIMARY KEY (`digest`, `part`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
-- down 4
DROP TABLE `visor_manifest_part`;
DROP TABLE `visor_manifest`;
DROP TABLE `visor_declaration`;
DROP TABLE `visor_node_type`;
ALTER TABLE `visor_fire` DROP COLUMN `reason`;
ALTER TABLE `visor_schedule` DROP COLUMN `max_lost`;
ALTER TABLE `visor_schedule` DROP COLUMN `set_name`;
ALTER TABLE `visor_schedule` DROP COLUMN `digest`;
ALTER TABLE `visor_schedule` DROP COLUMN `retired_at`;
ALTER TABLE `visor_schedule` DROP COLUMN `dst_gap`;
ALTER TABLE `visor_schedule` DROP COLUMN `dst_overlap`;
ALTER TABLE `visor_schedule` DROP COLUMN `anchor`;
ALTER TABLE `visor_node` DROP COLUMN `token`;
ALTER TABLE `visor_node` DROP COLUMN `survived`;
ALTER TABLE `visor_job` DROP COLUMN `uncounted`;
ALTER TABLE `visor_job` DROP COLUMN `max_lost`;
-- up 5: numbers of jobs, long names of queues, checksum 683a4ec93ed9ce38
ALTER TABLE `visor_job` MODIFY `queue` VARCHAR(703) NOT NULL;
ALTER TABLE `visor_ready` MODIFY `queue` VARCHAR(703) NOT NULL;
ALTER TABLE `visor_scheduled` MODIFY `queue` VARCHAR(703) NOT NULL;
ALTER TABLE `visor_waiting` MODIFY `queue` VARCHAR(703) NOT NULL;
ALTER TABLE `visor_schedule` MODIFY `queue` VARCHAR(703) NOT NULL;
ALTER TABLE `visor_claim` MODIFY `queue` VARCHAR(703) NOT NULL;
CREATE TABLE `visor_job_number` (
  `number` BIGINT NOT NULL AUTO_INCREMENT,
  PRIMARY KEY (`number`)
) ENGINE = InnoDB, ROW_FORMAT = DYNAMIC, CHARACTER SET = utf8mb4 /*M! COLLATE = utf8mb4_nopad_bin *//*!80017 COLLATE = utf8mb4_0900_bin */;
-- down 5
DROP TABLE `visor_job_number`;
-- up 6: names of columns, checksum 130b802be54df7de
ALTER TABLE `visor_node` RENAME COLUMN `wish` TO `requested_state`;
-- down 6
ALTER TABLE `visor_node` RENAME COLUMN `requested_state` TO `wish`;
