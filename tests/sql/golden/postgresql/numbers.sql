-- next_numbers
SELECT nextval('visor_job_number_number_seq') AS "number", (SELECT MAX("id") FROM "visor_job") AS "highest" FROM generate_series(1, $1);

-- before_number
;

-- remove_number
DELETE FROM "visor_job_number" WHERE "number" = $1;

-- raise_numbers
SELECT setval('visor_job_number_number_seq', ;

-- raise_numbers_end
);

-- highest_job
SELECT MAX("id") AS "highest" FROM "visor_job";

