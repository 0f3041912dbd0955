"""The report of what a change does to the marts, for a change that does something."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from loaders.tests.conftest import PROJECT, copied_project, edit


def test_what_changed_is_reported_also_where_a_test_fails(tmp_path: Path) -> None:
    """In a copy of the project: of the models that differ one says that all holdings cost a little more."""
    project, report = copied_project(tmp_path / "project"), tmp_path / "report.md"
    shutil.copytree(PROJECT / "loaders", project / "loaders", dirs_exist_ok=True)

    def git(*words: str) -> None:
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *words], cwd=project, check=True)

    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "--message", "base")
    edit(
        project / "models/marts/fct_holders.sql",
        "        cost_usdc,\n        value_usdc,\n",
        "        cost_usdc + toDecimal128('0.000001', 6) as cost_usdc,\n        value_usdc,\n",
    )
    # A table that reads views of the base.
    edit(project / "models/audit/audit_double_entry.sql", "with balances as", "-- again\nwith balances as")
    words = [sys.executable, "-m", "loaders.tests.slim", "--base", "HEAD", "--steps", "60", "--report", str(report)]
    done = subprocess.run(words, cwd=project, capture_output=True, text=True, check=False, timeout=600)
    assert done.returncode == 1, done.stderr
    said = report.read_text()
    assert said in done.stdout and "or a test failed" in said
    same, changed = [line for line in said.splitlines() if line.startswith(("| audit", "| fct"))]
    assert re.fullmatch(r"\| audit_double_entry \| ([1-9]\d*) \| \1 \| 0 \| 0 \| the same \|", same), same
    assert re.fullmatch(r"\| fct_holders \| ([1-9]\d*) \| \1 \| 0 \| 0 \| cost_usdc \1 \|", changed), changed
