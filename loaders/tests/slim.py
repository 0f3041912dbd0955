"""python -m loaders.tests.slim --base REF: what a change does to the marts of a sample world, in Markdown.

The models of the base (the main branch) are built whole. Of the working tree only what differs from them, and what
depends on that, is built and tested (`state:modified+`); the rest is read from the base (`--defer`). Then each mart
that was built is compared with the base's: rows added and removed, and values changed, column by column.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.tests.conftest import PROJECT, Desk

BASE, CHANGED = "polyledger_base", "polyledger"
SHOWN = ("marts", "audit")  # folders of models that people read


@dataclass
class Difference:
    """How a table differs from the base's. Without a key a changed row counts as one removed and one added."""

    name: str
    key: list[str]
    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0
    changed: dict[str, int] = field(default_factory=dict)
    columns: list[str] = field(default_factory=list)  # `+ name type` and `- name type`

    @property
    def is_any(self) -> bool:
        return bool(self.added or self.removed or self.changed or self.columns)


def main() -> int:
    """Build both, compare, write the report. Returns dbt's exit code for what was changed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--base", default="origin/main", help="git ref that the marts are compared with")
    parser.add_argument("--report", type=Path, help="add the report to this file too")
    parser.add_argument("--steps", type=int, default=1200, help="size of the sample world")
    given = parser.parse_args()
    world = simulate(11, steps=given.steps)
    with tempfile.TemporaryDirectory() as folder:
        desk, base = Desk(Path(folder) / "warehouse"), Path(folder) / "base"
        subprocess.run(
            ["git", "worktree", "add", "--detach", "--quiet", str(base), given.base], cwd=PROJECT, check=True
        )
        try:
            with Goldsky(world.entities, head=world.until) as endpoint:
                desk.base_url = endpoint.base_url
                desk.load_everything()
            state = Path(folder) / "state"
            code = dbt(desk, base, "build", "--exclude-resource-types", "test", "unit_test", schema=BASE, made=state)
            if code:
                print(f"the models of {given.base} cannot be built: nothing to compare with", file=sys.stderr)
                return code
            made = Path(folder) / "made"
            words = ["--select", "state:modified+", "--defer", "--state", str(state)]
            # First all models, so that the difference is seen also where a test is not passed.
            plain = ["--exclude-resource-types", "test", "unit_test"]
            code = dbt(desk, PROJECT, "build", *words, *plain, schema=CHANGED, made=made)
            code = code or dbt(desk, PROJECT, "test", *words, schema=CHANGED, made=made)
            report = in_markdown(given.base, compare(desk.data, made / "manifest.json"), code)
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(base)], cwd=PROJECT, check=True)
    print(report)
    if given.report:
        with given.report.open("a") as file:
            file.write(report)
    return code


def dbt(desk: Desk, project: Path, *words: str, schema: str, made: Path) -> int:
    """Run dbt on a project folder; its own words go to stderr."""
    where = ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(made)]
    more = {"DBT_LOG_PATH": str(made / "logs"), "DBT_WRITE_JSON": "true"}
    environment = desk.environment(POLYLEDGER_SCHEMA=schema, **more)
    del environment["DBT_TARGET_PATH"]
    words = (sys.executable, "-m", "dbt.cli.main", "--no-use-colors", words[0], *where, *words[1:])
    return subprocess.run(words, env=environment, cwd=project, stdout=sys.stderr, check=False).returncode


def compare(data: Path, manifest: Path) -> list[Difference]:
    """All tables for people that both have, in order of name; and those that one of them lacks."""
    nodes: dict[str, Any] = json.loads(manifest.read_text())["nodes"]
    client = clickhouse_connect.get_client(interface="chdb", path=str(data))
    try:
        there = "select name from system.tables where database = '{}'"
        base, changed = ({name for (name,) in client.query(there.format(one)).result_rows} for one in (BASE, CHANGED))
        people = {
            node["name"]: unique_id
            for unique_id, node in nodes.items()
            if node["resource_type"] == "model" and node["fqn"][1] in SHOWN
        }
        return [
            difference(client, name, key_of(people[name], nodes), name in base)
            for name in sorted(people.keys() & changed)
        ]
    finally:
        client.close()


def key_of(model: str, nodes: dict[str, Any]) -> list[str]:
    """The columns that a test of the model holds to be unique together; none where there is no such test."""
    for node in nodes.values():
        if node["resource_type"] == "test" and node.get("attached_node") == model:
            test = node["test_metadata"]
            if test["name"] == "unique_together":
                return [str(column) for column in test["kwargs"]["columns"]]
            if test["name"] == "unique":
                return [str(test["kwargs"]["column_name"])]
    return []


def difference(client: Client, name: str, key: list[str], is_in_base: bool) -> Difference:
    """Compare a table with its namesake. Values are compared as text: unknown differs from empty, -0 from 0."""
    found = Difference(name, key, after=count(client, f"{CHANGED}.{name}"))
    if not is_in_base:
        found.added, found.columns = found.after, ["+ the whole table"]
        return found
    found.before = count(client, f"{BASE}.{name}")
    was, now = columns(client, BASE, name), columns(client, CHANGED, name)
    found.columns = [f"- {column} {was[column]}" for column in was if now.get(column) != was[column]]
    found.columns += [f"+ {column} {now[column]}" for column in now if was.get(column) != now[column]]
    both = [column for column in now if column in was]
    keys = [column for column in key if column in both] or both

    def rows(schema: str) -> str:
        text = ", ".join(f"toString(tuple(`{column}`)) as `{column}`" for column in both)
        row_key = ", ".join(f"`{column}`" for column in keys)
        return f"(select tuple({row_key}) as row_key, * from (select {text} from {schema}.{name}))"

    def lacking(here: str, there: str) -> int:
        """How many rows of one the other has not, copies counted."""
        mine, theirs = (
            f"(select row_key, count() as copies from {rows(one)} group by row_key) as {kind}"
            for one, kind in ((here, "mine"), (there, "theirs"))
        )
        more = "greatest(toInt64(mine.copies) - toInt64(theirs.copies), 0)"
        joined = f"{mine} left join {theirs} on mine.row_key = theirs.row_key"
        return int(client.query(f"select sum({more}) from {joined}").result_rows[0][0])

    found.added, found.removed = lacking(CHANGED, BASE), lacking(BASE, CHANGED)
    others = [column for column in both if column not in keys]
    if others:
        sums = ", ".join(f"countIf(was.`{column}` != now.`{column}`)" for column in others)
        joined = f"{rows(BASE)} as was inner join {rows(CHANGED)} as now on was.row_key = now.row_key"
        (counts,) = client.query(f"select {sums} from {joined}").result_rows
        found.changed = {column: number for column, number in zip(others, counts, strict=True) if number}
    return found


def count(client: Client, table: str) -> int:
    return int(client.query(f"select count() from {table}").result_rows[0][0])


def columns(client: Client, schema: str, table: str) -> dict[str, str]:
    query = "select name, type from system.columns where database = {schema:String} and table = {table:String}"
    found = client.query(f"{query} order by position", parameters={"schema": schema, "table": table})
    return {name: kind for name, kind in found.result_rows}


def in_markdown(base: str, differences: list[Difference], code: int) -> str:
    """The report, for people."""
    lines = [f"### Marts on the sample world, compared with {base}", ""]
    if code:
        lines += ["**A model of what was changed cannot be built, or a test failed: see the log of this run.**", ""]
    if not differences:
        return "\n".join([*lines, "Nothing that people read was built: it is not changed, nor what it depends on.", ""])
    lines += [
        "| table | rows before | after | added | removed | changed values by column |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for one in differences:
        changed = ", ".join(f"{name} {number:,}" for name, number in one.changed.items())
        told = "; ".join(filter(None, [changed, ", ".join(f"`{column}`" for column in one.columns)]))
        told = told or ("the same" if not one.is_any else "")
        told += "" if one.key else " (compared by whole rows)"
        lines.append(f"| {one.name} | {one.before:,} | {one.after:,} | {one.added:,} | {one.removed:,} | {told} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.exit(main())
