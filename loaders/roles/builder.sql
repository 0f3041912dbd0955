-- Who runs `dbt build`, `polyledger publish`, `verify` and `explain`: owns the models, and reads the raw tables.
create role if not exists polyledger_builder;

grant select on polyledger_raw.* to polyledger_builder;

-- Of two that publish at once the second is told who does; this is where they say so.
grant insert on polyledger_raw.load_leases to polyledger_builder;

grant show, select, insert, alter, create, drop, truncate, optimize on polyledger.* to polyledger_builder;

-- Where `polyledger publish` builds, and keeps what was there before.
grant show, select, insert, alter, create, drop, truncate, optimize on polyledger_shadow.* to polyledger_builder;

-- What dbt asks for.
grant table engine on * to polyledger_builder;

grant select on system.databases to polyledger_builder;

grant select on system.tables to polyledger_builder;

grant select on system.columns to polyledger_builder;

grant select on system.parts to polyledger_builder;

grant select on system.settings to polyledger_builder;

grant select on system.one to polyledger_builder;

grant select on system.numbers to polyledger_builder;

-- On shards: an insert is done when it is on the shard, and does not run shard by shard behind one's back.
create settings profile if not exists polyledger_builder
settings insert_distributed_sync = 1, parallel_distributed_insert_select = 0
to polyledger_builder;
