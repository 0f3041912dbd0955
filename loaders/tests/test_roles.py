"""Who may do what on a server: docs/roles.md says it line by line, and each line is tried."""

import hashlib
import os
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from loaders.rights import ROLES, statements
from loaders.standin.goldsky import Goldsky
from loaders.standin.world import simulate
from loaders.target import Target, read_target
from loaders.tests.conftest import PROJECT, SERVER_TOOL, ClickHouse, Desk, ServerDesk
from loaders.tests.test_command import assert_one_sentence, call
from loaders.tests.test_incremental import PATCHED
from loaders.tests.test_patched import patched

USERS = PROJECT / "loaders" / "roles" / "users.xml"
PASSWORDS = {role: f"{role} of a test" for role in ROLES}
LINE = re.compile(r"\| (loader|builder|reader) \| (may|may not) \| `(.*)` \|")
LINES = LINE.findall((PROJECT / "docs" / "roles.md").read_text())
# What says that a right, a limit or a constraint is in the way, and nothing else.
REFUSED = re.compile(r"ACCESS_DENIED|READONLY|SETTING_CONSTRAINT_VIOLATION|TOO_MANY_ROWS_OR_BYTES")
# The administrator of the tests; the file itself has none.
ADMINISTRATOR = """
<default><password/><networks><ip>127.0.0.1</ip></networks><profile>default</profile><quota>default</quota>
<access_management>1</access_management></default>
"""
TARGET = Target("server", "localhost", None, "me", "", False, 300, "polyledger", "polyledger_raw")


class FixedDesk(ServerDesk):
    """A desk whose databases have the names of users.xml."""

    def __post_init__(self) -> None:
        self.databases = {name: name for name in ("polyledger_raw", "polyledger", "polyledger_shadow")}

    def acting(self, role: str) -> dict[str, Any]:
        return {"CLICKHOUSE_USER": f"polyledger_{role}", "CLICKHOUSE_PASSWORD": PASSWORDS[role]}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FixedDesk]:
    """A server with the users of users.xml, set up, loaded and built by those who may."""
    if not SERVER_TOOL.exists():
        pytest.skip("no ClickHouse server of our own: there is no tools/clickhouse_server.py")
    folder = tmp_path_factory.mktemp("roles")
    users = USERS.read_text().replace("<users>", f"<users>{ADMINISTRATOR}")
    users = users.replace("<profiles>", "<profiles><default/>").replace("<quotas>", "<quotas><default/>")
    (folder / "users.xml").write_text(users)
    server = ClickHouse(folder / "server")
    server.config = folder / "config.xml"
    server.config.write_text(f"<clickhouse><users_config>{folder / 'users.xml'}</users_config></clickhouse>")
    server.environment = {
        f"POLYLEDGER_{role.upper()}_SHA256": hashlib.sha256(PASSWORDS[role].encode()).hexdigest() for role in ROLES
    }
    server.start()
    try:
        world = simulate(5, steps=60)
        with Goldsky(world.entities, head=world.until) as endpoint:
            desk = FixedDesk(folder / "warehouse", endpoint.base_url, server=server)
            desk.polyledger("setup")
            desk.load_everything(**desk.acting("loader"))
        desk.dbt("build", "--exclude-resource-types", "test", "unit_test", **desk.acting("builder"))
        yield desk
    finally:
        server.kill()


def test_the_lines_are_read() -> None:
    assert len(LINES) > 60 and {role for role, _, _ in LINES} == set(ROLES)


@pytest.mark.parametrize(("role", "may", "statement"), LINES)
def test_each_line(desk: FixedDesk, role: str, may: str, statement: str) -> None:
    def attempt() -> None:
        desk.server.rows(statement, f"polyledger_{role}", PASSWORDS[role])

    if may == "may":
        attempt()
    else:
        with pytest.raises(DatabaseError, match=REFUSED):
            attempt()


def test_nobody_comes_in_without_a_password(desk: FixedDesk) -> None:
    for role in ROLES:
        for password in ("", role, f"polyledger_{role}"):
            with pytest.raises(DatabaseError, match="AUTHENTICATION_FAILED"):
                desk.server.rows("select 1", f"polyledger_{role}", password)


def test_the_reader_may_read_all_marts_and_no_other_model(desk: FixedDesk) -> None:
    marts = {file.stem for file in (PROJECT / "models" / "marts").glob("*.sql")}
    grants = "".join(statements("reader", TARGET))
    assert set(re.findall(r"on polyledger\.(\w+)", grants)) == marts
    shown = desk.server.rows("show tables from polyledger", "polyledger_reader", PASSWORDS["reader"])
    assert {name for (name,) in shown} == marts


def test_an_administrator_does_not_load_without_a_word(desk: FixedDesk) -> None:
    sentence = "note: default may manage users and drop every database, which no load needs: polyledger setup --roles"
    with Goldsky({}) as endpoint:
        desk.base_url = endpoint.base_url
        words = ("load", "payouts", "--condition", "0x" + "aa" * 32)
        assert sentence in desk.polyledger(*words).stdout
        assert "which no load needs" not in desk.polyledger(*words, **desk.acting("loader")).stdout


@pytest.mark.parametrize("words", [("status",), ("verify",), ("load", "fills")], ids=" ".join)
def test_who_may_not_read_is_not_told_that_nothing_is_there(desk: FixedDesk, words: tuple[str, ...]) -> None:
    said = call(desk, *words, code=1, **desk.acting("reader"))
    assert "polyledger_reader may not read polyledger_raw" in said.err and "nothing is loaded" not in said.out


def test_a_loader_is_told_who_upgrades_the_tables(desk: FixedDesk) -> None:
    desk.server.rows("truncate table polyledger_raw.schema_versions")
    said = call(desk, "load", "fills", code=1, **desk.acting("loader"))
    assert "of an earlier version, and polyledger_loader may not change them: run polyledger setup" in said.err
    assert "upgraded from version 0" in call(desk, "setup").out


def test_setup_says_that_a_server_keeps_its_users_in_files(desk: FixedDesk) -> None:
    """The servers of these tests do; the statements themselves are parsed below."""
    said = call(desk, "setup", "--roles", code=2, POLYLEDGER_LOADER_PASSWORD="long enough for anybody")
    assert "this server keeps its users in files" in said.err and "long enough" not in said.err + said.out


def test_setup_refuses_a_short_password_and_the_embedded_engine(desk: FixedDesk, tmp_path: Path) -> None:
    said = call(desk, "setup", "--roles", code=2, POLYLEDGER_READER_PASSWORD="short")
    assert "POLYLEDGER_READER_PASSWORD must have 12 characters or more" in said.err and "'short'" not in said.err
    assert_one_sentence(call(Desk(tmp_path / "warehouse"), "setup", "--roles", code=None), "embedded", "no users")


@pytest.mark.parametrize("role", ROLES)
def test_clickhouse_understands_the_sql(desk: FixedDesk, role: str) -> None:
    found = statements(role, TARGET)
    for statement in found:
        assert desk.server.rows(f"explain ast {statement}")
    assert found[0] == f"create role if not exists polyledger_{role}"


@pytest.mark.parametrize("role", ROLES)
def test_the_two_forms_grant_the_same(role: str) -> None:
    """Rights and limits of users.xml, which are tried above, are those of the SQL."""
    root = ElementTree.fromstring(USERS.read_text())
    queries = [str(one.text) for one in root.findall(f"users/polyledger_{role}/grants/query")]
    grants = [one.removesuffix(f" to polyledger_{role}") for one in statements(role, TARGET) if one.startswith("grant")]
    assert queries == grants
    (profile,) = (one for one in statements(role, TARGET) if one.startswith("create settings profile"))
    limits = dict(re.findall(r"(\w+) = ('?\w+'?)", profile))
    bounds = {name: (low, high) for name, low, high in re.findall(r"(\w+) = \w+ min (\d+) max (\d+)", profile)}
    fixed = set(re.findall(r"(\w+) = '?\w+'? const", profile))
    inside = root.find(f"profiles/polyledger_{role}")
    assert inside is not None
    settings = {one.tag: one.text for one in inside if one.tag != "constraints"}
    assert settings == {name: value.strip("'") for name, value in limits.items()}
    constraints = list(inside.find("constraints") or [])
    assert {one.tag for one in constraints if one.find("readonly") is not None} == fixed
    assert {
        one.tag: (one.findtext("min"), one.findtext("max")) for one in constraints if one.find("max") is not None
    } == bounds


def test_other_names_of_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYLEDGER_SCHEMA", "mine")
    monkeypatch.setenv("POLYLEDGER_RAW_SCHEMA", "mine_raw")
    granted = " ".join(one for role in ROLES for one in statements(role, read_target("server", PROJECT)))
    assert set(re.findall(r"(\w+)\.", granted)) == {"mine", "mine_raw", "mine_shadow", "system"}


def test_a_profile_without_env_has_no_user(tmp_path: Path) -> None:
    """users.xml has no password in it: without the environment the server does not start."""
    root = ElementTree.fromstring(USERS.read_text())
    for role in ROLES:
        user = root.find(f"users/polyledger_{role}")
        assert user is not None and user.find("password") is None and user.find("no_password") is None
        assert user.find("access_management") is None
        hashed = user.find("password_sha256_hex")
        assert hashed is not None and hashed.text is None
        assert hashed.attrib == {"from_env": f"POLYLEDGER_{role.upper()}_SHA256"}
        assert f"POLYLEDGER_{role.upper()}_SHA256" not in os.environ


def test_a_builder_may_patch_tables(desk: FixedDesk) -> None:
    words = ("build", "--exclude-resource-types", "test", "unit_test", "--vars", PATCHED % 1_000_000)
    desk.dbt(*words, "--full-refresh", **desk.acting("builder"))
    fills = "polyledger_raw.order_filled_events"
    desk.server.rows(
        f"""
        insert into {fills} select * replace (now64(6) as _loaded_at, taker_amount_filled + 1 as taker_amount_filled)
        from {fills} order by timestamp limit 1
        """
    )
    desk.dbt(*words, **desk.acting("builder"))
    assert {"int_entries", "int_positions", "int_wallets"} <= set(patched(desk))
