"""Lets unmodified dbt-clickhouse open an embedded ClickHouse: a profile host `chdb:PATH`.

clickhouse-connect speaks to chDB by itself; dbt-clickhouse only lacks the switch, which is added here at the moment dbt
imports its HTTP client. dbt imports every installed module named dbt_*, except for `dbt debug`: for that one,
dbt_chdb.pth imports this module when Python starts, so it must stay light. DECISIONS.md says when both can go.
"""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

HTTP_CLIENT = "dbt.adapters.clickhouse.httpclient"


def add_switch(httpclient: ModuleType) -> None:
    """Make the adapter's client open chDB where the profile's host says so."""
    from loaders import embedded

    over_http = httpclient.ChHttpClient._create_client

    def connect(self: Any, credentials: Any) -> Any:
        path = embedded.folder(credentials.host)
        return over_http(self, credentials) if path is None else embedded.connect(path, self._conn_settings)

    httpclient.ChHttpClient._create_client = connect


class SwitchFinder(MetaPathFinder):
    """Finds the adapter's HTTP client as Python would, and adds the switch once it is loaded."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != HTTP_CLIENT:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_switch(module: ModuleType) -> None:
                load(module)
                add_switch(module)

            spec.loader.exec_module = load_and_switch  # type: ignore[method-assign]
        return spec


if HTTP_CLIENT in sys.modules:
    add_switch(sys.modules[HTTP_CLIENT])
else:
    sys.meta_path.insert(0, SwitchFinder())
