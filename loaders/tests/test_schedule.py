"""The examples for schedulers: their syntax, and that the command and dbt understand what they would be called with."""

import ast
import configparser
import py_compile
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loaders.standin.goldsky import Goldsky
from loaders.tests.conftest import PROJECT, Desk
from loaders.tests.test_command import call

EXAMPLES = PROJECT / "examples" / "schedule"
NAMES = ("airflow_dag.py", "cronjob.yaml", "crontab", "polyledger-sync.service", "polyledger-sync.timer")
# Least and greatest of minute, hour, day of month, month and day of week.
CRON_FIELDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def read(name: str) -> str:
    return (EXAMPLES / name).read_text()


def unit(name: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None, strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd minds the case
    parser.read_string(read(name))
    return parser


def is_cron_field(text: str, least: int, most: int) -> bool:
    """`*`, a number, a range or a list of them, with steps."""
    for part in text.split(","):
        found = re.fullmatch(r"(\*|(\d+)(?:-(\d+))?)(?:/(\d+))?", part)
        if not found:
            return False
        numbers = [int(number) for number in found.group(2, 3) if number]
        if not all(least <= number <= most for number in numbers) or numbers != sorted(numbers) or found[4] == "0":
            return False
    return True


def is_schedule(text: str) -> bool:
    fields = text.split()
    return len(fields) == 5 and all(
        is_cron_field(field, *ends) for field, ends in zip(fields, CRON_FIELDS, strict=True)
    )


def cron_lines() -> list[tuple[str, str]]:
    """Schedule and shell command."""
    lines = [line for line in read("crontab").splitlines() if line.strip() and not line.startswith("#")]
    return [(" ".join(line.split()[:5]), line.split(maxsplit=5)[5]) for line in lines if not re.match(r"[A-Z]+=", line)]


def dag() -> ast.Module:
    return ast.parse(read("airflow_dag.py"))


def calls(tree: ast.Module, name: str) -> list[dict[str, ast.expr]]:
    """Named arguments of each call of a function."""
    found = (node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name))
    return [{str(word.arg): word.value for word in node.keywords} for node in found if ast.unparse(node.func) == name]


def container() -> dict[str, Any]:
    (only,) = yaml.safe_load(read("cronjob.yaml"))["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return dict(only)


def shell_lines() -> Iterator[str]:
    """Every line that a scheduler would give to a shell or start by itself."""
    yield from (command for _, command in cron_lines())
    yield unit("polyledger-sync.service")["Service"]["ExecStart"]
    yield from (ast.literal_eval(task["bash_command"]) for task in calls(dag(), "BashOperator"))
    yield shlex.join([*container()["command"], *container()["args"]])


def commands(program: str) -> list[list[str]]:
    """The words behind the program's name, wherever it is called."""
    found = []
    for line in shell_lines():
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
        for place, word in enumerate(words):
            if Path(word).name == program and words[:place][-1:] != ["cd"]:
                after = words[place + 1 :]
                end = next((n for n, each in enumerate(after) if set(each) <= set("&|;<>")), len(after))
                found.append(after[:end])
    return found


def test_all_examples_are_checked_and_the_readme_names_them() -> None:
    assert {path.name for path in EXAMPLES.iterdir()} == {*NAMES, "polyledger.env"}
    readme = (PROJECT / "README.md").read_text()
    for path in EXAMPLES.iterdir():
        assert f"examples/schedule/{path.name}" in readme


def test_every_scheduler_calls_sync() -> None:
    called = [words[0] for words in commands("polyledger")]
    assert called.count("sync") == 4 and {"verify", "load"} <= set(called)


@pytest.mark.parametrize("words", commands("polyledger"), ids=" ".join)
def test_the_command_understands_it(desk: Desk, words: list[str]) -> None:
    with Goldsky({}, head=1_736_000_000) as endpoint:
        desk.base_url = endpoint.base_url
        if words[0] in ("load", "sync"):
            call(desk, *words, "--dry-run")
            assert not desk.data.exists()
        else:
            call(desk, *words)


@pytest.mark.parametrize("words", commands("dbt"), ids=" ".join)
def test_dbt_understands_it(desk: Desk, words: list[str]) -> None:
    desk.dbt(*words, "--help")


def test_crontab() -> None:
    assert len(cron_lines()) == 4
    for schedule, command in cron_lines():
        assert is_schedule(schedule), schedule
        assert "%" not in command, "cron makes a line end of it"
        assert command.startswith("cd /srv/polyledger && set -a && . ./polyledger.env && ")
        assert re.search(r"flock (-n -E 0|--verbose -w 600) warehouse\.lock \.venv/bin/", command)
        subprocess.run(["sh", "-n", "-c", command], check=True)


@pytest.mark.parametrize(
    ("schedule", "is_one"),
    [
        ("*/5 * * * *", True),
        ("0,30 1-5/2 * 12 7", True),
        ("60 * * * *", False),
        ("* * 0 * *", False),
        ("*/0 * * * *", False),
        ("5-1 * * * *", False),
        ("* * * *", False),
        ("@daily", False),
    ],
)
def test_what_a_schedule_is(schedule: str, is_one: bool) -> None:
    assert is_schedule(schedule) is is_one


def test_systemd_units() -> None:
    service, timer = unit("polyledger-sync.service"), unit("polyledger-sync.timer")
    assert service["Service"]["Type"] == "oneshot"
    assert service["Service"]["EnvironmentFile"].endswith("/polyledger.env")
    assert float(service["Service"]["TimeoutStopSec"]) >= 10
    assert timer["Timer"]["OnCalendar"] and timer["Install"]["WantedBy"] == "timers.target"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not here")
def test_systemd_accepts_them(tmp_path: Path) -> None:
    for name in ("polyledger-sync.service", "polyledger-sync.timer"):
        # What they name must exist.
        here = read(name).replace("/srv/polyledger/.venv/bin/polyledger", sys.executable)
        here = here.replace("/srv/polyledger", str(tmp_path)).replace("User=polyledger", "User=root")
        (tmp_path / name).write_text(here)
    units = [str(tmp_path / name) for name in ("polyledger-sync.service", "polyledger-sync.timer")]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert not [line for line in done.stderr.splitlines() if "polyledger-sync" in line], done.stderr
    assert done.returncode == 0, done.stderr


def test_airflow_dag(tmp_path: Path) -> None:
    py_compile.compile(str(EXAMPLES / "airflow_dag.py"), cfile=str(tmp_path / "dag.pyc"), doraise=True)
    (given,) = calls(dag(), "DAG")
    assert ast.literal_eval(given["catchup"]) is False and ast.literal_eval(given["max_active_runs"]) == 1
    assert is_schedule(ast.literal_eval(given["schedule"]))
    tasks = [ast.literal_eval(task["task_id"]) for task in calls(dag(), "BashOperator")]
    assert tasks == ["sync", "build", "verify"]
    assert ast.unparse(dag().body[-1]).splitlines()[-1].strip() == "sync >> build >> verify"


def test_kubernetes_cronjob() -> None:
    (job,) = yaml.safe_load_all(read("cronjob.yaml"))
    assert (job["apiVersion"], job["kind"]) == ("batch/v1", "CronJob")
    assert re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", job["metadata"]["name"])
    spec, pod = job["spec"], job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert is_schedule(spec["schedule"]) and spec["concurrencyPolicy"] == "Forbid"
    assert pod["restartPolicy"] == "Never" and pod["terminationGracePeriodSeconds"] >= 10
    assert container()["envFrom"] == [{"secretRef": {"name": "polyledger"}}]
    assert "env" not in container()


def test_no_secret_is_given_away() -> None:
    settings = dict(line.split("=", 1) for line in read("polyledger.env").splitlines() if not line.startswith("#"))
    assert settings["CLICKHOUSE_PASSWORD"] == settings["GOLDSKY_API_TOKEN"] == ""
    readme = (PROJECT / "README.md").read_text()
    profiles = (PROJECT / "profiles.yml").read_text()
    assert all(name in readme + profiles for name in settings)
