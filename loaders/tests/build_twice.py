"""python -m loaders.tests.build_twice: load a simulated world, dbt build with all tests, and once more: the same marts.

The part of `make test` that shows dbt's own output.
"""

import sys
import tempfile
from pathlib import Path

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import Desk


def main() -> int:
    world = simulate(11, steps=2600, pools=4)
    with tempfile.TemporaryDirectory() as folder, Goldsky(world.entities, head=world.until) as endpoint:
        desk = Desk(Path(folder) / "warehouse", endpoint.base_url)
        desk.polyledger("load", "amm")
        desk.load_everything()
        print(desk.dbt("build").stdout)
        first = desk.marts()
        print(desk.dbt("build").stdout)
        second = desk.marts()
    changed = [mart for mart in first if first[mart] != second[mart]]
    empty = [mart for mart in first if not first[mart]]
    for mart, rows in first.items():
        print(f"{mart}: {len(rows):,} rows, {'CHANGED by the second build' if mart in changed else 'the same twice'}")
    return 1 if changed or empty else 0


if __name__ == "__main__":
    sys.exit(main())
