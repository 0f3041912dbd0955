"""What the tests share: the command and dbt as a user runs them, and a plain client's view of the warehouse."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

PROJECT = Path(__file__).parents[2]
MARTS = (
    "fct_fills",
    "vw_resolutions_truth",
    "fct_position_events",
    "fct_realized_pnl_by_market",
    "fct_wallet_pnl",
    "fct_wallet_pnl_daily",
    "leaderboard",
)


@dataclass
class Desk:
    """A user's desk: an embedded warehouse of its own, the command and dbt."""

    data: Path
    base_url: str = "http://127.0.0.1:9/subgraphs"  # nobody answers there

    def environment(self, **more: str) -> dict[str, str]:
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("GOLDSKY_", "POLYLEDGER_", "CLICKHOUSE_", "DBT_"))
        }
        return kept | {
            "POLYLEDGER_DATA": str(self.data),
            "GOLDSKY_BASE_URL": self.base_url,
            "GOLDSKY_REQUESTS_PER_SECOND": "10000",
            "DBT_TARGET_PATH": str(self.data.with_name("target")),
            "DBT_LOG_PATH": str(self.data.with_name("logs")),
            **more,
        }

    def polyledger(self, *words: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run the command; its exit code must be `code`, unless that is None."""
        return _run([sys.executable, "-m", "loaders.cli", *words], self.environment(**env), code)

    def dbt(self, *words: str, code: int | None = 0, **env: str) -> subprocess.CompletedProcess[str]:
        """Run dbt on the project; its exit code must be `code`, unless that is None."""
        return _run([sys.executable, "-m", "dbt.cli.main", "--no-use-colors", *words], self.environment(**env), code)

    def load_everything(self, *, code: int | None = 0, **env: str) -> None:
        for words in (["load", "fills", "--since", "2022-11-21"], ["load", "activity"], ["load", "payouts"]):
            self.polyledger(*words, code=code, **env)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a plain client without any settings reads."""
        client = clickhouse_connect.get_client(interface="chdb", path=str(self.data))
        try:
            return [tuple(row) for row in client.query(query).result_rows]
        finally:
            client.close()

    def marts(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every mart, in an order of its own."""
        return {mart: sorted(self.rows(f"select * from polyledger.{mart}"), key=repr) for mart in MARTS}


def _run(words: list[str], env: dict[str, str], code: int | None) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(words, env=env, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=600)
    assert code is None or done.returncode == code, f"{words} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "warehouse")


@pytest.fixture(scope="module")
def module_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    yield Desk(tmp_path_factory.mktemp("desk") / "warehouse")
