-- insert_job
INSERT INTO "visor_job" ("id", "run_at", "created_at", "priority", "max_attempts", "payload", "type", "queue", "schedule", "planned_at", "owner") SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- insert_new_job
INSERT INTO "visor_job" ("id", "run_at", "created_at", "priority", "max_attempts", "payload", "type", "queue", "schedule", "planned_at", "owner") SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING;

-- insert_ready
INSERT INTO "visor_ready" ("run_at", "job", "priority", "attempt", "queue") SELECT * FROM unnest($1, $2, $3, $4, $5);

-- insert_scheduled
INSERT INTO "visor_scheduled" ("run_at", "job", "priority", "attempt", "queue") SELECT * FROM unnest($1, $2, $3, $4, $5);

-- insert_waiting
INSERT INTO "visor_waiting" ("blocker", "job", "run_at", "priority", "attempt", "queue") SELECT * FROM unnest($1, $2, $3, $4, $5, $6);

-- insert_dead
INSERT INTO "visor_dead" ("job", "died_at", "attempts", "error") SELECT * FROM unnest($1, $2, $3, $4);

-- insert_new_cancel
INSERT INTO "visor_cancel" ("job", "requested_at") SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING;

-- remove_ready
DELETE FROM "visor_ready" WHERE ("queue", "priority", "run_at", "job") IN (SELECT * FROM unnest($1, $2, $3, $4));

-- insert_attempt
INSERT INTO "visor_attempt" ("job", "lease", "epoch", "started_at", "finished_at", "number", "node", "outcome", "final_state", "error", "output") SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11);

-- insert_new_attempt
INSERT INTO "visor_attempt" ("job", "lease", "epoch", "started_at", "finished_at", "number", "node", "outcome", "final_state", "error", "output") SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING;

-- insert_lease
INSERT INTO "visor_lease" ("id", "node", "epoch", "taken_at", "jobs", "limited") SELECT * FROM unnest($1, $2, $3, $4, $5, $6);

-- insert_node
INSERT INTO "visor_node" ("name", "address", "state", "epoch", "lease_until", "exclusive", "slots", "started_at", "version", "queues", "capabilities", "requested_state", "resources", "token", "survived") SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15);

-- insert_new_sequence
INSERT INTO "visor_sequence" ("name", "next") SELECT * FROM unnest($1, $2) ON CONFLICT DO NOTHING;

-- insert_node_type
INSERT INTO "visor_node_type" ("node", "type", "epoch") SELECT * FROM unnest($1, $2, $3);

-- insert_type_limit
INSERT INTO "visor_type_limit" ("type", "concurrency", "key_concurrency", "rate", "key_rate", "per") SELECT * FROM unnest($1, $2, $3, $4, $5, $6);

-- insert_new_type_limit
INSERT INTO "visor_type_limit" ("type", "concurrency", "key_concurrency", "rate", "key_rate", "per") SELECT * FROM unnest($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- insert_claim
INSERT INTO "visor_claim" ("type", "taken_at", "lease", "number", "queue", "jobs") SELECT * FROM unnest($1, $2, $3, $4, $5, $6);

-- insert_new_schedule
INSERT INTO "visor_schedule" ("id", "origin", "expression", "zone", "type", "payload", "queue", "priority", "max_attempts", "misfire", "misfire_limit", "misfire_window", "overlap", "max_failures", "owner", "description", "phrase", "output", "state", "next_at", "last_at", "last_job", "run_count", "failure_count", "last_error", "created_at", "updated_at", "version", "max_lost", "set_name", "digest", "retired_at", "dst_gap", "dst_overlap", "anchor") SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35) ON CONFLICT DO NOTHING;

-- insert_fire
INSERT INTO "visor_fire" ("schedule", "planned_at", "fired_at", "node", "result", "job") SELECT * FROM unnest($1, $2, $3, $4, $5, $6);

-- insert_new_fire
INSERT INTO "visor_fire" ("schedule", "planned_at", "fired_at", "node", "result", "reason") SELECT * FROM unnest($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING;

-- insert_declaration
INSERT INTO "visor_declaration" ("node", "origin", "set_name", "declared_at", "digest") SELECT * FROM unnest($1, $2, $3, $4, $5);

-- insert_new_manifest
INSERT INTO "visor_manifest" ("digest", "origin", "set_name", "declared_at", "parts") SELECT * FROM unnest($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING;

-- insert_new_manifest_part
INSERT INTO "visor_manifest_part" ("digest", "part", "written_at", "entries") SELECT * FROM unnest($1, $2, $3, $4) ON CONFLICT DO NOTHING;

-- insert_migration
INSERT INTO "visor_migration" ("version", "name", "checksum", "applied_at") SELECT * FROM unnest($1, $2, $3, $4);

