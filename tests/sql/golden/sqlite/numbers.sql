-- next_numbers
;

-- before_number
;

-- remove_number
DELETE FROM "visor_job_number" WHERE "number" = ?;

-- raise_numbers
;

-- raise_numbers_end
;

-- highest_job
SELECT MAX("id") AS "highest" FROM "visor_job";

