-- Analysts and dashboards: the marts, and nothing behind them. The marts that are views read with the rights of who
-- built them (`sql_security` in dbt_project.yml), so that nothing else need be granted.
create role if not exists polyledger_reader;

grant select on polyledger.fct_fills to polyledger_reader;

grant select on polyledger.fct_amm_trades to polyledger_reader;

grant select on polyledger.fct_position_events to polyledger_reader;

grant select on polyledger.fct_holders to polyledger_reader;
grant select on polyledger.fct_positions to polyledger_reader;

grant select on polyledger.fct_realized_pnl_by_market to polyledger_reader;

grant select on polyledger.fct_wallet_pnl to polyledger_reader;

grant select on polyledger.fct_wallet_pnl_daily to polyledger_reader;

grant select on polyledger.leaderboard to polyledger_reader;

grant select on polyledger.vw_resolutions_truth to polyledger_reader;

-- readonly = 2: clients may set what the constraints below allow, and cannot take readonly off again.
create settings profile if not exists polyledger_reader settings
readonly = 2,
max_execution_time = 30 min 1 max 300,
max_memory_usage = 4000000000 min 1 max 4000000000,
max_result_rows = 10000000 min 1 max 10000000,
result_overflow_mode = 'throw' const
to polyledger_reader;

create quota if not exists polyledger_reader for interval 1 minute max queries = 600 to polyledger_reader;
