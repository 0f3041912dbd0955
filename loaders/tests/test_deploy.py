"""deploy/ and the workflows: no engine runs them here, so what they would do is read out of them."""

import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from loaders import cli
from loaders.tests.conftest import PROJECT

DEPLOY = PROJECT / "deploy"
WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "docker-compose.yml").read_text())
# Docker's own words, of which a Dockerfile is made; an instruction may go over several lines.
DOCKERFILE = [
    line.split(maxsplit=1)
    for line in re.sub(r"\\\n\s*", "", (DEPLOY / "Dockerfile").read_text()).splitlines()
    if line and not line.startswith("#")
]


def said(word: str) -> list[str]:
    return [rest for name, rest in DOCKERFILE if name == word]


def test_the_image_is_pinned_and_runs_as_nobody_special() -> None:
    known = {"FROM", "WORKDIR", "RUN", "COPY", "ENV", "USER", "HEALTHCHECK", "CMD"}
    assert {name for name, _ in DOCKERFILE} == known
    assert all(re.match(r"python:3\.\d+\.\d+-slim-\w+( AS \w+)?$", base) for base in said("FROM"))
    assert len({base.partition(" ")[0] for base in said("FROM")}) == 1
    assert int(said("USER")[-1]) > 1000
    assert all("--require-hashes" in line or "--no-deps" in line for line in said("RUN") if "pip install" in line)
    assert "/tmp/healthy" in said("HEALTHCHECK")[0]


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (PROJECT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    for line in said("COPY"):
        words = shlex.split(line)
        if words[0].startswith("--from"):
            continue
        for source in [word for word in words if not word.startswith("--")][:-1]:
            assert (PROJECT / source).exists(), source
            assert source in allowed or source.partition("/")[0] in allowed, source


def test_the_project_in_the_image_is_whole() -> None:
    """All that dbt reads of the project, and all that pip needs to install it."""
    copied = " ".join(said("COPY"))
    paths = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())
    for kind in ("model-paths", "seed-paths", "test-paths", "macro-paths"):
        assert all(re.search(rf"\b{path}\b", copied) for path in paths[kind]), kind
    assert all(name in copied for name in ("profiles.yml", "dbt_project.yml", "dbt_chdb.py", "dbt_chdb.pth", "LICENSE"))


def test_the_services() -> None:
    services = COMPOSE["services"]
    assert set(services) == {"clickhouse", "setup", "sync", "build"}
    assert re.fullmatch(r"clickhouse/clickhouse-server:\d+\.\d+", services["clickhouse"]["image"])
    assert all(port.startswith("127.0.0.1:") for port in services["clickhouse"]["ports"])
    for name in ("setup", "sync", "build"):
        service = services[name]
        assert service["read_only"] and service["cap_drop"] == ["ALL"] and service["init"]
        assert service["environment"]["CLICKHOUSE_HOST"] == "clickhouse"
    users = {name: service["environment"]["CLICKHOUSE_USER"] for name, service in services.items()}
    assert users == {
        name: f"polyledger_{role}"
        for name, role in zip(
            ("clickhouse", "setup", "sync", "build"), ("admin", "admin", "loader", "builder"), strict=True
        )
    }


def test_no_service_has_a_default_password() -> None:
    for name, service in COMPOSE["services"].items():
        for variable, value in service["environment"].items():
            if "PASSWORD" in variable or "SHA256" in variable:
                assert re.fullmatch(r"\$\{POLYLEDGER_\w+:\?see the top of this file\}", value), (name, variable)
    text = (DEPLOY / "docker-compose.yml").read_text()
    mounted = COMPOSE["services"]["clickhouse"]["volumes"][1].partition(":")[0]
    assert (DEPLOY / mounted).resolve() == PROJECT / "loaders" / "roles" / "users.xml"
    for needed in set(re.findall(r"\$\{(\w+):\?", text)):
        role = needed.split("_")[1]
        assert role in ["ADMIN", "LOADER", "BUILDER", "READER"] and needed in (
            f"POLYLEDGER_{role}_PASSWORD",
            f"POLYLEDGER_{role}_SHA256",
        )


@pytest.mark.parametrize("name", ["setup", "sync", "build"])
def test_the_commands_of_the_services_are_there(name: str) -> None:
    words = COMPOSE["services"][name]["command"]
    if words[0] == "every":
        assert int(words[1]) > 0 and words[2:5] == ["flock", "--no-fork", "/lock/warehouse"]
        assert "lock:/lock" in COMPOSE["services"][name]["volumes"] and "lock" in COMPOSE["volumes"]
        words = words[5:]
    assert words[0] == "dbt" or words[1] in typer.main.get_command(cli.app).commands  # type: ignore[attr-defined]


def test_every_runs_again_tells_that_it_is_well_and_stops(tmp_path: Path) -> None:
    """What is under way when it is told to stop may end first."""
    healthy, log = tmp_path / "healthy", tmp_path / "log"
    script = tmp_path / "every.sh"
    script.write_text((DEPLOY / "every.sh").read_text().replace("/tmp/healthy", str(healthy)))
    work = f"echo run >> {log}; trap 'echo landed >> {log}; exit 0' TERM; "
    work += f"test $(grep -c run {log}) -lt 3 || sleep 60 & wait"

    def begin(command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["sh", str(script), "0.01", "sh", "-c", command], env=dict(os.environ))

    running = begin(work)
    wait_for(lambda: log.exists() and log.read_text().count("run") == 3)
    assert healthy.exists()
    time.sleep(0.2)  # the trap is set by now
    running.send_signal(signal.SIGTERM)
    assert running.wait(30) == 0
    assert log.read_text().split() == ["run", "run", "run", "landed"]

    for code, is_well in ((1, False), (2, False), (3, True)):
        healthy.unlink(missing_ok=True)
        log.unlink(missing_ok=True)
        running = begin(f"echo run >> {log}; exit {code}")
        wait_for(lambda: log.exists() and log.read_text().count("run") > 3)
        running.send_signal(signal.SIGTERM)
        running.wait(30)
        assert healthy.exists() == is_well, code


def wait_for(what: Any) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Workflows


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_a_workflow_reads_only_and_is_pinned(file: Path) -> None:
    workflow = yaml.safe_load(file.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    triggers = workflow[True]  # YAML 1.1 reads `on` so
    assert "pull_request_target" not in triggers and "workflow_run" not in triggers
    text = file.read_text()
    assert "secrets." not in text
    for name, job in workflow["jobs"].items():
        assert job["timeout-minutes"] <= 300, name  # below GitHub's own limit of six hours
        assert "permissions" not in job
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}", step["uses"]), step
            if "checkout" in step.get("uses", ""):
                assert step["with"]["persist-credentials"] is False
            # What a fork may choose (a branch's name, a title) must not become part of a command.
            assert "${{" not in step.get("run", ""), step


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_what_a_workflow_calls_is_in_the_makefile(file: Path) -> None:
    targets = set(re.findall(r"^([\w-]+):", (PROJECT / "Makefile").read_text(), re.MULTILINE))
    for job in yaml.safe_load(file.read_text())["jobs"].values():
        for step in job["steps"]:
            words = shlex.split(step.get("run", ""))
            if words[:1] == ["make"]:
                assert words[1] in targets
            elif words:
                assert (PROJECT / words[0]).is_file()


@pytest.mark.parametrize("name", ["requirements.lock", ".ci/audit.lock"])
def test_a_lock_has_hashes_and_no_address(name: str) -> None:
    text = (PROJECT / name).read_text()
    assert "://" not in text and "index" not in text
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in block and "==" in block for block in blocks)
