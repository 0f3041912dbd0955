"""Goldsky's pipelines name the columns that are landed, and what is landed becomes typed rows or is refused."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from loaders import embedded
from loaders.checks.doctor_warehouse import LANDING, LANDING_COLUMNS, check_pipeline
from loaders.events import ORDER_FILLS_V2, V2_EXCHANGES
from loaders.target import read_target
from loaders.tests.conftest import PROJECT, Desk
from loaders.warehouse import Warehouse, WarehouseError, declared_columns, opened

PIPELINES = sorted((PROJECT / "pipelines").glob("*.yaml"))
WRITTEN_BY_THE_SINK = {"is_deleted"}
ROW = {
    "id": "0x" + "11" * 32 + "_123",
    "transaction_hash": "0x" + "11" * 32,
    "log_index": 123,
    "block_number": 93_636_810,
    "block_timestamp": 1_789_160_248,
    "address": V2_EXCHANGES[1],
    "order_hash": "0x" + "22" * 32,
    "maker": "0x" + "33" * 20,
    "taker": V2_EXCHANGES[1],
    "side": "1",
    "token_id": str(2**256 - 1),
    "maker_amount_filled": "876530000",
    "taker_amount_filled": "952750000",
    "fee": "3506120",
    "builder": "0x" + "00" * 32,
    "metadata": "0x" + "00" * 32,
}


@pytest.mark.parametrize("file", PIPELINES, ids=lambda file: file.name)
def test_a_pipeline_lands_the_columns_of_the_landing_table(file: Path) -> None:
    pipeline = yaml.safe_load(file.read_text())
    (sink,) = pipeline["sinks"].values()
    assert (sink["type"], sink["table"], sink["from"]) == ("clickhouse", LANDING, "fills")
    selected = re.search(r"SELECT\n(.*?)\s+FROM", pipeline["transforms"]["fills"]["sql"], re.DOTALL)
    assert selected
    names = {line.strip().rstrip(",").split(" AS ")[-1] for line in selected[1].splitlines()}
    assert names == LANDING_COLUMNS - WRITTEN_BY_THE_SINK
    (source,) = pipeline["sources"].values()
    assert f"block_number >= {ORDER_FILLS_V2.first_block}" in source["filter"]
    assert not re.search("password|://", file.read_text())


def test_logs_are_decoded_by_the_events_own_signature() -> None:
    text = (PROJECT / "pipelines" / "turbo-raw-logs.yaml").read_text()
    assert ORDER_FILLS_V2.topic in text and all(exchange in text for exchange in V2_EXCHANGES[:2])
    inputs = re.findall(r'"indexed":(\w+),"name":"(\w+)","type":"(\w+)"', text)
    signature = f"OrderFilled({','.join(kind for *_, kind in inputs)})"
    assert signature == "OrderFilled(bytes32,address,address,uint8,uint256,uint256,uint256,uint256,bytes32,bytes32)"
    assert [name for indexed, name, _ in inputs if indexed == "true"] == ["orderHash", "maker", "taker"]
    # The parameters are taken in this order.
    taken = re.findall(r"event_params\[(\d+)\] AS (\w+)", text)
    snake = [re.sub(r"(?=[A-Z])", "_", name).lower() for _, name, _ in inputs]
    assert taken == [(str(number), name) for number, name in enumerate(snake, 1)]


@pytest.fixture
def warehouse(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warehouse]:
    monkeypatch.setenv("POLYLEDGER_DATA", str(desk.data))
    monkeypatch.chdir(PROJECT)
    with opened(read_target("embedded")) as warehouse:
        warehouse.create_tables()
        yield warehouse
    embedded.release(desk.data)


def landing() -> list[str]:
    text = (PROJECT / "pipelines" / "landing.sql").read_text()
    return [statement for statement in text.split(";\n") if statement.strip()]


def land(warehouse: Warehouse, **changed: Any) -> None:
    row = ROW | changed
    values = ", ".join(f"'{value}'" for value in row.values())
    warehouse.command(f"insert into {warehouse.raw}.{LANDING} ({', '.join(row)}) values ({values})")


def test_what_is_landed_becomes_typed_rows(warehouse: Warehouse) -> None:
    assert check_pipeline(warehouse) == []
    for statement in landing():
        warehouse.command(statement)
    assert [check.verdict for check in check_pipeline(warehouse)] == ["warn"]
    columns = {name for (name,) in warehouse.rows(f"select name from system.columns where table = '{LANDING}'")}
    assert columns == LANDING_COLUMNS | {"insert_time"}
    land(warehouse)
    land(warehouse, log_index=124, side="BUY", id="other")
    land(warehouse, is_deleted=1)
    rows = warehouse.rows(
        "select log_index, toUnixTimestamp(timestamp), lower(hex(address)), lower(hex(maker)), side, token_id, "
        "maker_amount_filled, taker_amount_filled, fee, is_deleted "
        "from polyledger_raw.order_filled_events_v2 final order by all"
    )
    exchange, maker = V2_EXCHANGES[1][2:], "33" * 20
    amounts = (2**256 - 1, 876_530_000, 952_750_000, 3_506_120)
    assert rows == [
        (123, 1_789_160_248, exchange, maker, 1, *amounts, 1),
        (124, 1_789_160_248, exchange, maker, 0, *amounts, 0),
    ]
    (check,) = check_pipeline(warehouse)
    assert check.verdict == "ok" and "the newest fill of 2026-09-11 20:57:28 UTC" in check.found


@pytest.mark.parametrize(
    "wrong",
    [
        {"maker_amount_filled": "876.53"},
        {"maker_amount_filled": str(2**64)},
        {"taker_amount_filled": "99999999999999999999999"},
        {"fee": "-1"},
        {"side": "maker"},
        {"maker": "0x" + "3" * 43},
        {"maker": ""},
        {"taker": "33" * 20},
        {"address": "0x" + "3" * 39},
        {"transaction_hash": "0x" + "g" * 64},
        {"order_hash": "0x12"},
        {"builder": "0"},
        {"metadata": ""},
        {"block_timestamp": 1_789_160_248_000},
        {"token_id": "0x12"},
        {"token_id": str(2**256)},
        {"token_id": ""},
    ],
    ids=lambda wrong: str(wrong),
)
def test_what_cannot_be_typed_is_refused(warehouse: Warehouse, wrong: dict[str, Any]) -> None:
    for statement in landing():
        warehouse.command(statement)
    with pytest.raises(WarehouseError):
        land(warehouse, **wrong)
    assert warehouse.rows("select count() from polyledger_raw.order_filled_events_v2") == [(0,)]


def test_a_landing_table_of_another_shape_is_found(warehouse: Warehouse) -> None:
    table, _ = landing()
    warehouse.command(table.replace("    fee String comment 'Base units of collateral, decimal digits',\n", ""))
    (check,) = check_pipeline(warehouse)
    assert (check.verdict, check.found) == ("fail", "goldsky_fills_v2 has no fee")
    warehouse.command(f"drop table {warehouse.raw}.{LANDING}")
    warehouse.command(table)
    (check,) = check_pipeline(warehouse)
    assert check.verdict == "fail" and "has no view goldsky_fills_v2_typed" in check.found


def test_the_view_fills_every_column_that_is_not_defaulted() -> None:
    view = landing()[1]
    named = set(re.findall(r"as (\w+),?$", view, re.MULTILINE)) | {"log_index", "block_number", "is_deleted"}
    declared = declared_columns()["order_filled_events_v2"].keys() - {"id", "_loaded_at"}
    assert declared <= named
