-- The highest begins at 0, so who ends below it fell at least that far.
select
    window,
    wallet,
    pnl_usdc,
    max_drawdown_usdc
from {{ ref('leaderboard') }}
where max_drawdown_usdc < -pnl_usdc
