-- Who runs `polyledger load` and `polyledger sync`: lands rows in the raw tables, and reads what is landed.
-- The tables are created by `polyledger setup`, which an administrator runs once per version.
create role if not exists polyledger_loader;

grant select, insert on polyledger_raw.* to polyledger_loader;

-- An insert is acknowledged when it is written, never before; a long one is no reason to stop a load.
create settings profile if not exists polyledger_loader settings wait_for_async_insert = 1 const, max_execution_time = 3600
to polyledger_loader;
