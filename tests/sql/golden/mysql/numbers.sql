-- next_numbers
SELECT CAST(LAST_INSERT_ID() AS SIGNED) AS `number`, (SELECT MAX(`id`) FROM `visor_job`) AS `highest`;

-- before_number
INSERT INTO `visor_job_number` () VALUES ();

-- remove_number
DELETE FROM `visor_job_number` WHERE `number` = ?;

-- raise_numbers
INSERT INTO `visor_job_number` (`number`) VALUES (;

-- raise_numbers_end
);

-- highest_job
SELECT MAX(`id`) AS `highest` FROM `visor_job`;

