"""python -m loaders.tests.build_twice: load a simulated world, dbt build with all tests, and once more: the same marts.

Before the second build every row is landed again, or nothing would be built. The part of `make test` that shows dbt's
own output.
"""

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from loaders.entities import ENTITIES
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.target import read_target
from loaders.tests.conftest import Desk
from loaders.warehouse import opened


def main() -> int:
    world = simulate(11, steps=2600, pools=4)
    with tempfile.TemporaryDirectory() as folder, Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(Path(folder) / "warehouse", endpoint.base_url)
        desk.polyledger("load", "amm")
        desk.load_everything()
        print(desk.dbt("build").stdout)
        first = desk.marts()
        with opened(replace(read_target("embedded"), host=f"chdb:{desk.data}")) as warehouse:
            for entity in ENTITIES:
                table = f"{warehouse.raw}.{entity.table}"
                warehouse.command(f"insert into {table} select * replace (now64(6) as _loaded_at) from {table}")
        print(desk.dbt("build", "--exclude-resource-type", "unit_test").stdout)  # these know no rows
        second = desk.marts()
    changed = [mart for mart in first if first[mart] != second[mart]]
    empty = [mart for mart in first if not first[mart]]
    for mart, rows in first.items():
        print(f"{mart}: {len(rows):,} rows, {'CHANGED by the second build' if mart in changed else 'the same twice'}")
    return 1 if changed or empty else 0


if __name__ == "__main__":
    sys.exit(main())
