"""The stand-in must refuse what graph-node refuses, or the tests that lean on it prove nothing."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from loaders.standin import schema
from loaders.standin.goldsky import ALLOWANCE, FAULTS, FIRST_HEAD, Faults, Goldsky, main, read_recording

Row = dict[str, Any]
Serve = Callable[..., Goldsky]
NOON = 1_700_000_000
CLIENT = httpx.Client(timeout=10)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return a function that starts a server, to be stopped when the test ends."""
    with ExitStack() as stack:
        yield lambda entities, **options: stack.enter_context(Goldsky(entities, **options))


def fill(number: int, **given: Any) -> Row:
    """An order fill that is complete and unlike the others."""
    return {
        "id": f"0x{number:04x}",
        "transactionHash": f"0xaa{number:04x}",
        "timestamp": str(NOON + number),
        "orderHash": f"0xbb{number:04x}",
        "maker": "0x01",
        "taker": "0x02",
        "makerAssetId": "0",
        "takerAssetId": "7",
        "makerAmountFilled": str(number),
        "takerAmountFilled": "100",
        "fee": "0",
        **given,
    }


def fills(count: int) -> dict[str, list[Row]]:
    return {"OrderFilledEvent": [fill(number) for number in range(count)]}


def post(server: Goldsky, query: str, subgraph: str = "orderbook-subgraph", **variables: Any) -> httpx.Response:
    url = f"{server.base_url}/{subgraph}/0.0.1/gn"
    return CLIENT.post(url, json={"query": query, "variables": variables})


def ask(server: Goldsky, query: str, subgraph: str = "orderbook-subgraph", **variables: Any) -> Any:
    """Return the data of an answer that must have no errors."""
    answer = post(server, query, subgraph, **variables).json()
    assert "errors" not in answer, answer
    return answer["data"]


def refusal(server: Goldsky, query: str, subgraph: str = "orderbook-subgraph", **variables: Any) -> str:
    """Return the message of an answer that must have errors, under HTTP 200 and without data."""
    response = post(server, query, subgraph, **variables)
    assert response.status_code == 200
    assert response.json().get("data") is None
    return str(response.json()["errors"][0]["message"])


def ids(server: Goldsky, arguments: str = "") -> list[str]:
    """Return the ids of the fills that these arguments select, in the order served."""
    found = ask(server, f"{{ rows: orderFilledEvents{arguments and f'({arguments})'} {{ id }} }}")
    return [row["id"] for row in found["rows"]]


# Rows


def test_a_row_is_served_as_it_was_given(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [fill(1)]})
    fields = " ".join(fill(1))
    assert ask(server, f"{{ orderFilledEvents {{ {fields} }} }}") == {"orderFilledEvents": [fill(1)]}


def test_damage_is_served_unchanged_and_what_is_missing_is_null(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [{"id": "a", "timestamp": "soon", "fee": [1, {"x": None}], "maker": 5}]})
    assert ask(server, "{ orderFilledEvents { id timestamp fee maker taker } }")["orderFilledEvents"] == [
        {"id": "a", "timestamp": "soon", "fee": [1, {"x": None}], "maker": 5, "taker": None}
    ]


def test_rows_without_an_id_are_all_served(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [{"fee": "1"}, {"fee": "2"}, {"id": None, "fee": "3"}]})
    assert len(ids(server)) == 3


def test_the_last_of_two_rows_with_one_id_wins(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [fill(1, fee="1"), fill(2), fill(1, fee="3")]})
    assert ask(server, "{ orderFilledEvents { id fee } }")["orderFilledEvents"] == [
        {"id": "0x0001", "fee": "3"},
        {"id": "0x0002", "fee": "0"},
    ]


@pytest.mark.parametrize(
    ("subgraph", "entity", "one", "many"),
    [
        ("orderbook-subgraph", "OrderFilledEvent", "orderFilledEvent", "orderFilledEvents"),
        ("orderbook-subgraph", "OrdersMatchedEvent", "ordersMatchedEvent", "ordersMatchedEvents"),
        ("orderbook-subgraph", "MarketData", "marketData", "marketDatas"),
        ("pnl-subgraph", "UserPosition", "userPosition", "userPositions"),
        ("pnl-subgraph", "Condition", "condition", "conditions"),
        ("pnl-subgraph", "NegRiskEvent", "negRiskEvent", "negRiskEvents"),
        ("activity-subgraph", "Split", "split", "splits"),
        ("activity-subgraph", "Merge", "merge", "merges"),
        ("activity-subgraph", "Redemption", "redemption", "redemptions"),
        ("activity-subgraph", "NegRiskConversion", "negRiskConversion", "negRiskConversions"),
        ("activity-subgraph", "NegRiskEvent", "negRiskEvent", "negRiskEvents"),
        ("activity-subgraph", "Position", "position", "positions"),
        ("activity-subgraph", "Condition", "condition", "conditions"),
        ("fee-module-subgraph", "FeeRefundedEntity", "feeRefundedEntity", "feeRefundedEntities"),
    ],
)
def test_every_entity_is_served_alone_and_in_a_list(
    serve: Serve, subgraph: str, entity: str, one: str, many: str
) -> None:
    server = serve({entity: [{"id": "a"}, {"id": "b"}]})
    answer = ask(server, f'{{ {one}(id: "b") {{ id }} none: {one}(id: "c") {{ id }} {many} {{ id }} }}', subgraph)
    assert answer == {one: {"id": "b"}, "none": None, many: [{"id": "a"}, {"id": "b"}]}


def test_a_condition_has_only_the_fields_of_the_subgraph_asked(serve: Serve) -> None:
    row = {"id": "c", "positionIds": ["1", "2"], "payoutNumerators": [], "payoutDenominator": "0"}
    server = serve({"Condition": [row]})
    everything = f"{{ conditions {{ {' '.join(row)} }} }}"
    assert ask(server, everything, "pnl-subgraph") == {"conditions": [row]}
    assert "positionIds" in refusal(server, everything, "activity-subgraph")


# Order and pages


def test_a_list_has_100_rows_unless_told_and_1000_at_most(serve: Serve) -> None:
    server = serve(fills(1100))
    assert len(ids(server)) == 100
    assert len(ids(server, "first: null")) == 100
    assert len(ids(server, "first: 1000")) == 1000
    for first in (0, 1001, -1):
        message = refusal(server, f"{{ orderFilledEvents(first: {first}) {{ id }} }}")
        assert message == f"The `first` argument must be between 0 and 1000, but is {first}"


def test_skip_ends_at_5000(serve: Serve) -> None:
    server = serve(fills(5002))
    assert ids(server, "skip: 5000") == ["0x1388", "0x1389"]
    for skip in (5001, -1):
        message = refusal(server, f"{{ orderFilledEvents(skip: {skip}) {{ id }} }}")
        assert message == f"The `skip` argument must be between 0 and 5000, but is {skip}"


def test_rows_come_by_id_unless_told(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [fill(3), fill(1, timestamp="9999999999"), fill(2)]})
    assert ids(server) == ["0x0001", "0x0002", "0x0003"]
    assert ids(server, "orderDirection: desc") == ["0x0001", "0x0002", "0x0003"]  # a direction of nothing


def test_rows_that_tie_come_by_id_in_the_same_direction(serve: Serve) -> None:
    rows = [fill(number, timestamp=str(NOON + number % 2)) for number in (4, 1, 3, 2)]
    server = serve({"OrderFilledEvent": rows})
    ascending = ["0x0002", "0x0004", "0x0001", "0x0003"]
    assert ids(server, "orderBy: timestamp") == ascending
    assert ids(server, "orderBy: timestamp, orderDirection: asc") == ascending
    assert ids(server, "orderBy: timestamp, orderDirection: desc") == ascending[::-1]


def test_a_big_int_sorts_as_a_number(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [fill(1, fee="10"), fill(2, fee="9"), fill(3, fee="-11")]})
    assert ids(server, "orderBy: fee") == ["0x0003", "0x0002", "0x0001"]


def test_rows_that_cannot_be_sorted_come_last(serve: Serve) -> None:
    rows = [fill(1, fee=None), fill(2, fee="9"), fill(3, fee="x"), fill(4, fee="10"), fill(5, fee=[])]
    server = serve({"OrderFilledEvent": rows})
    assert ids(server, "orderBy: fee") == ["0x0002", "0x0004", "0x0001", "0x0003", "0x0005"]
    assert ids(server, "orderBy: fee, orderDirection: desc") == ["0x0004", "0x0002", "0x0005", "0x0003", "0x0001"]


def test_paging_by_timestamp_and_id_meets_every_row_of_a_crowded_second_once(serve: Serve) -> None:
    rows = [fill(number, timestamp=str(NOON)) for number in range(2500)]
    server = serve({"OrderFilledEvent": [fill(0x9001, timestamp=str(NOON - 1)), *rows, fill(0x9000)]})
    query = """
        query ($after: BigInt!, $id: ID!) {
          orderFilledEvents(
            first: 1000, orderBy: timestamp, where: {or: [{timestamp_gt: $after}, {timestamp: $after, id_gt: $id}]}
          ) { id timestamp }
        }"""
    met: list[str] = []
    after, last_id = "0", ""
    while page := ask(server, query, after=after, id=last_id)["orderFilledEvents"]:
        met += [row["id"] for row in page]
        after, last_id = page[-1]["timestamp"], page[-1]["id"]
    assert met == ["0x9001", *(row["id"] for row in rows), "0x9000"]


# Filters


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ('fee: "10"', "2"),
        ('fee_not: "10"', "13"),
        ('fee_gt: "9"', "23"),
        ('fee_gte: "9"', "123"),
        ('fee_lt: "10"', "1"),
        ('fee_lte: "10"', "12"),
        ('fee_in: ["9", "100"]', "13"),
        ('fee_not_in: ["9", "100"]', "2"),
        ("fee_gt: 9", "23"),
        ("fee_in: []", ""),
        ("fee_not_in: []", "123"),
        ("id_in: []", ""),
        ('id_in: ["0x0003", "0x0001", "0x0003", "0x0009"]', "13"),
        ('id_in: ["0x0003", "0x0001"], fee_gt: "9"', "3"),
        ('id_gt: "0x0001", id_lt: "0x0003"', "2"),
        ('maker_contains: "Bc"', "2"),
        ('maker_contains_nocase: "Bc"', "12"),
        ('maker_starts_with: "0xA"', "2"),
        ('transactionHash_in: ["0xaa0002"]', "2"),
        ("maker: null", "3"),
        ("maker_not: null", "12"),
        ('maker_not: "0xabc"', "2"),
        ('and: [{fee_gt: "9"}, {or: [{fee: "9"}, {fee: "100"}]}]', "3"),
        ('or: [{fee: "9"}, {fee: "100", maker: null}, {fee: "10", maker: null}]', "13"),
        ('or: [{fee: "100"}, {maker: "0xabc"}]', "13"),
        ('or: [{fee: "9"}, {maker: null}]', "13"),
        ("or: []", ""),
        ("and: []", "123"),
        ("", "123"),
    ],
)
def test_a_filter_selects_what_it_says(serve: Serve, where: str, found: str) -> None:
    rows = [fill(1, fee="9", maker="0xabc"), fill(2, fee="10", maker="0xABc"), fill(3, fee="100", maker=None)]
    server = serve({"OrderFilledEvent": rows})
    expected = [f"0x000{number}" for number in found]
    # The order decides which rows are looked at, never which are found.
    for order in ("id", "fee", "maker", "timestamp", "transactionHash"):
        assert sorted(ids(server, f"where: {{{where}}}, orderBy: {order}")) == expected, order
    assert ids(server, f"where: {{{where}}}, orderBy: id, orderDirection: desc") == expected[::-1]


def test_a_list_can_be_filtered_by_what_it_contains(serve: Serve) -> None:
    server = serve({"Condition": [{"id": "a", "positionIds": ["1", "2"]}, {"id": "b", "positionIds": ["2", "3"]}]})
    query = "query ($where: Condition_filter) { conditions(where: $where, orderBy: positionIds) { id } }"
    for where, found in (
        ({"positionIds_contains": ["2"]}, "ab"),
        ({"positionIds_contains": ["3", "2"]}, "b"),
        ({"positionIds": ["1", "2"]}, "a"),
        ({"positionIds_not": ["1", "2"]}, "b"),
    ):
        rows = ask(server, query, "pnl-subgraph", where=where)["conditions"]
        assert "".join(row["id"] for row in rows) == found, where


@pytest.mark.parametrize("combine", ["or", "and"])
@pytest.mark.parametrize("column", ["timestamp_gt", "id", "fee_in"])
def test_or_and_and_stand_alone(serve: Serve, combine: str, column: str) -> None:
    server = serve(fills(1))
    value = '["0"]' if column.endswith("in") else '"0"'
    where = f'{{{column}: {value}, {combine}: [{{fee: "0"}}]}}'
    message = refusal(server, f"{{ orderFilledEvents(where: {where}) {{ id }} }}")
    assert message.startswith(f"Cannot mix column filters with '{combine}' operator at the same level")
    assert f"'{column}'" in message


def test_or_beside_a_column_is_refused_inside_a_branch_too(serve: Serve) -> None:
    where = '{and: [{fee: "0", or: [{fee: "0"}]}]}'
    assert "Cannot mix" in refusal(serve(fills(1)), f"{{ orderFilledEvents(where: {where}) {{ id }} }}")


def test_null_cannot_be_compared_with(serve: Serve) -> None:
    assert "null" in refusal(serve(fills(1)), "{ orderFilledEvents(where: {id_gt: null}) { id } }")


def test_a_big_int_variable_may_be_text_or_a_number_but_must_be_an_integer(serve: Serve) -> None:
    server = serve(fills(3))
    query = "query ($start: BigInt!) { orderFilledEvents(where: {timestamp_gte: $start}) { id } }"
    for good in (NOON + 1, str(NOON + 1)):
        assert len(ask(server, query, start=good)["orderFilledEvents"]) == 2
    for bad in ("1.5", 1.5, "", "soon", True, None):
        assert refusal(server, query, start=bad)


def test_more_than_1000_ids_may_be_named_but_first_still_cuts(serve: Serve) -> None:
    server = serve(fills(1500))
    named = [row["id"] for row in fills(1500)["OrderFilledEvent"]]
    query = "query ($ids: [ID!]!) { orderFilledEvents(first: 1000, where: {id_in: $ids}) { id } }"
    found = ask(server, query, ids=named[::-1])["orderFilledEvents"]
    assert [row["id"] for row in found] == named[:1000]


# Queries


@pytest.mark.parametrize(
    "query",
    [
        "{ foo { id } }",
        "{ orderFilledEvents { id blockNumber } }",
        "{ orderFilledEvents { id _block } }",
        "{ orderFilledEvents(limit: 5) { id } }",
        "{ orderFilledEvents(orderBy: price) { id } }",
        "{ orderFilledEvents(where: {price_gt: 1}) { id } }",
        "{ orderFilledEvents(where: {fee_contains: 1}) { id } }",
        '{ orderFilledEvents(where: {fee_gt: "x"}) { id } }',
        "{ orderFilledEvents(where: {id_gt: 1.5}) { id } }",
        "{ orderFilledEvents(where: {transactionHash: 5}) { id } }",
        "query ($t: String!) { orderFilledEvents(where: {timestamp: $t}) { id } }",
        "query ($t: BigInt!) { orderFilledEvents { id } }",
        "mutation { orderFilledEvents { id } }",
        "subscription { orderFilledEvents { id } }",
        "query A { orderFilledEvents { id } } query B { orderFilledEvents { id } }",
        "{ orderFilledEvents }",
        "{ orderFilledEvents {",
        "",
    ],
)
def test_a_query_that_does_not_fit_the_schema_is_refused(serve: Serve, query: str) -> None:
    server = serve(fills(1))
    assert refusal(server, query, t="1")
    assert server.requests[-1].error


def test_aliases_fragments_and_directives_work(serve: Serve) -> None:
    query = """
        query Rows($no: Boolean!) {
          __typename
          some: orderFilledEvents {
            key: id
            ...amounts
            ... on OrderFilledEvent { taker }
            ... @include(if: $no) { maker }
          }
          orderFilledEvents(first: 1) @skip(if: $no) { __typename fee @include(if: $no) id @skip(if: $no) }
          gone: orderFilledEvents @skip(if: true) { id }
        }
        fragment amounts on OrderFilledEvent { fee }"""
    server = serve(fills(1))
    assert ask(server, query, no=False) == {
        "__typename": "Query",
        "some": [{"key": "0x0000", "fee": "0", "taker": "0x02"}],
        "orderFilledEvents": [{"__typename": "OrderFilledEvent", "id": "0x0000"}],
    }


def test_the_operation_named_is_the_one_executed(serve: Serve) -> None:
    server = serve(fills(1))
    query = "query A { a: orderFilledEvents { id } } query B { b: orderFilledEvents { id } }"
    url = f"{server.base_url}/orderbook-subgraph/prod/gn"
    assert "b" in CLIENT.post(url, json={"query": query, "operationName": "B"}).json()["data"]


def test_the_schema_can_be_introspected(serve: Serve) -> None:
    query = '{ __type(name: "UserPosition") { fields { name type { kind ofType { name } } } } }'
    found = ask(serve({}), query, "pnl-subgraph")["__type"]["fields"]
    assert {"name": "realizedPnl", "type": {"kind": "NON_NULL", "ofType": {"name": "BigInt"}}} in found


# Blocks

META = "_meta { block { number hash timestamp parentHash } deployment hasIndexingErrors }"


def test_meta_tells_the_head(serve: Serve) -> None:
    server = serve(fills(3), head=NOON + 99)
    meta = ask(server, f"{{ {META} }}")["_meta"]
    assert meta["block"]["number"] == FIRST_HEAD
    assert meta["block"]["timestamp"] == NOON + 99
    assert meta["block"]["hash"].startswith("0x") and meta["block"]["hash"] != meta["block"]["parentHash"]
    assert meta["deployment"].startswith("Qm")
    assert meta["hasIndexingErrors"] is False


def test_the_head_is_as_late_as_the_latest_row_or_as_now(serve: Serve) -> None:
    with_rows, without = serve({**fills(3), "Split": [{"id": "s", "timestamp": str(NOON + 50)}]}), serve({})
    assert ask(with_rows, f"{{ {META} }}")["_meta"]["block"]["timestamp"] == NOON + 50
    assert ask(without, f"{{ {META} }}")["_meta"]["block"]["timestamp"] == without.started_at > NOON


def test_meta_pinned_by_number_knows_the_number_only(serve: Serve) -> None:
    meta = ask(serve({}), "{ _meta(block: {number: 7}) { block { number hash timestamp } } }")["_meta"]
    assert meta["block"] == {"number": 7, "hash": None, "timestamp": None}


def test_a_pinned_query_sees_the_rows_of_its_block(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [fill(1), fill(2, _block=20), fill(3, _block=30), fill(1, fee="5", _block=25)]})
    query = "query ($n: Int!) { orderFilledEvents(block: {number: $n}) { id fee } }"

    def seen(block: int) -> list[tuple[str, str]]:
        return [(row["id"][-1], row["fee"]) for row in ask(server, query, n=block)["orderFilledEvents"]]

    assert seen(19) == [("1", "0")]
    assert seen(20) == [("1", "0"), ("2", "0")]
    assert seen(25) == [("1", "5"), ("2", "0")]
    assert seen(30) == seen(FIRST_HEAD) == [("1", "5"), ("2", "0"), ("3", "0")]
    assert ask(server, '{ orderFilledEvent(id: "0x0002", block: {number: 19}) { id } }') == {"orderFilledEvent": None}


def test_a_block_ahead_of_the_head_is_refused(serve: Serve) -> None:
    server = serve(fills(1))
    ahead = FIRST_HEAD + 1
    told = f"has only indexed up to block number {FIRST_HEAD} and data for block number {ahead} is therefore not yet"
    for field in ("number", "number_gte"):
        assert told in refusal(server, f"{{ orderFilledEvents(block: {{{field}: {ahead}}}) {{ id }} }}")
        assert told in refusal(server, f"{{ _meta(block: {{{field}: {ahead}}}) {{ deployment }} }}")
        assert ids(server, f"block: {{{field}: {FIRST_HEAD}}}") == ["0x0000"]


def test_number_gte_is_not_a_pin(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [fill(1, _block=20)]})
    assert ids(server, "block: {number_gte: 10}") == ["0x0001"]


def test_a_block_is_known_by_its_hash_only_at_the_head(serve: Serve) -> None:
    server = serve(fills(1))
    head = ask(server, f"{{ {META} }}")["_meta"]["block"]["hash"]
    assert ids(server, f'block: {{hash: "{head}"}}') == ["0x0000"]
    assert "hash" in refusal(server, '{ orderFilledEvents(block: {hash: "0x00"}) { id } }')


def test_rows_changed_since_a_block_can_be_asked_for(serve: Serve) -> None:
    server = serve({"OrderFilledEvent": [fill(1), fill(2, _block=20), fill(3, _block=30)]})
    assert ids(server, "where: {_change_block: {number_gte: 20}}") == ["0x0002", "0x0003"]
    assert len(ids(server, "where: {_change_block: {number_gte: 0}}")) == 3


def test_rows_put_while_running_are_served_and_move_the_head(serve: Serve) -> None:
    server = serve(fills(2))
    assert ids(server, "orderBy: timestamp") == ["0x0000", "0x0001"]
    server.put("OrderFilledEvent", [fill(1, fee="9", timestamp="5"), fill(2)])
    assert ids(server, "orderBy: timestamp") == ["0x0001", "0x0000", "0x0002"]
    assert ask(server, '{ orderFilledEvent(id: "0x0001") { fee } }')["orderFilledEvent"] == {"fee": "9"}
    block = ask(server, f"{{ {META} }}")["_meta"]["block"]
    assert (block["number"], block["timestamp"]) == (FIRST_HEAD + 1, NOON + 2)
    server.put("OrderFilledEvent", [fill(3, _block=FIRST_HEAD + 10)])
    assert ask(server, f"{{ {META} }}")["_meta"]["block"]["number"] == FIRST_HEAD + 10
    assert ids(server, f"block: {{number: {FIRST_HEAD + 9}}}") == ["0x0000", "0x0001", "0x0002"]


def test_rows_put_while_running_are_of_a_new_block(serve: Serve) -> None:
    server = serve(fills(2))
    server.put("OrderFilledEvent", [fill(1, fee="9")])
    assert ids(server, f"where: {{_change_block: {{number_gte: {FIRST_HEAD + 1}}}}}") == ["0x0001"]
    before = f'{{ orderFilledEvent(id: "0x0001", block: {{number: {FIRST_HEAD}}}) {{ fee }} }}'
    assert ask(server, before) == {"orderFilledEvent": {"fee": "0"}}


def test_a_replica_may_be_behind(serve: Serve) -> None:
    server = serve(fills(1), blocks_behind=5)
    server.put("OrderFilledEvent", [fill(1, timestamp=str(NOON + 9))])
    query = f"{{ orderFilledEvents {{ id }} {META} }}"
    ahead, behind = ask(server, query), ask(server, query)
    assert [len(answer["orderFilledEvents"]) for answer in (ahead, behind)] == [2, 1]
    assert [answer["_meta"]["block"]["number"] for answer in (ahead, behind)] == [FIRST_HEAD + 1, FIRST_HEAD - 4]
    assert ahead["_meta"]["block"]["timestamp"] - behind["_meta"]["block"]["timestamp"] == 10

    least = f"{{ orderFilledEvents(block: {{number_gte: {FIRST_HEAD + 1}}}) {{ id }} }}"
    assert len(ask(server, least)["orderFilledEvents"]) == 2
    assert f"has only indexed up to block number {FIRST_HEAD - 4}" in refusal(server, least)
    assert [asked.blocks_behind for asked in server.requests] == [0, 5, 0, 5]


# HTTP


def test_what_is_not_a_query_to_a_known_subgraph_gets_a_status_of_its_own(serve: Serve) -> None:
    server = serve(fills(1))
    url = f"{server.base_url}/orderbook-subgraph/0.0.1/gn"
    asked = {"query": "{ orderFilledEvents { id } }"}
    unknown = [url.replace("orderbook", "weather"), url.removesuffix("/gn"), url.replace("subgraphs", "graphs")]
    for response in [CLIENT.post(each, json=asked) for each in unknown]:
        assert response.status_code == 404
        assert response.json()["message"]
    for body in ("{", "[]", "{}", '{"query": 5}', '{"query": "", "variables": 1}'):
        assert CLIENT.post(url, content=body).status_code == 400, body
    assert CLIENT.get(url).status_code == 405


def test_a_token_is_asked_for_if_there_is_one(serve: Serve) -> None:
    server = serve(fills(1), token="secret")
    url = f"{server.base_url}/orderbook-subgraph/0.0.1/gn"
    asked = {"query": "{ orderFilledEvents { id } }"}
    assert CLIENT.post(url, json=asked).status_code == 401
    assert CLIENT.post(url, json=asked, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert CLIENT.post(url, json=asked, headers={"Authorization": "Bearer secret"}).json()["data"]


def test_a_connection_serves_many_requests(serve: Serve) -> None:
    server = serve(fills(1))
    with httpx.Client() as client:
        for _ in range(3):
            response = client.post(f"{server.base_url}/orderbook-subgraph/0.0.1/gn", json={"query": f"{{ {META} }}"})
            assert response.http_version == "HTTP/1.1"
            assert len(server.connections) == 1


def test_a_server_hangs_up_when_stopped_and_comes_back_at_its_address(serve: Serve) -> None:
    server = serve(fills(1))
    address = server.base_url
    with httpx.Client() as client:
        client.post(address)
        server.stop()
        with pytest.raises(httpx.TransportError):
            client.post(address)
    server.start()
    assert server.base_url == address
    assert ids(server) == ["0x0000"]


def test_requests_are_noted(serve: Serve) -> None:
    server = serve(fills(1), faults=scripted("502", "ok"))
    query = "query ($n: Int) { a: orderFilledEvents(first: $n) { id } _meta { deployment } }"
    post(server, query, n=5)
    post(server, query, n=5)
    post(server, "{ x }", "pnl-subgraph")
    noted = [(asked.subgraph, asked.fields, asked.variables, asked.status, asked.fault) for asked in server.requests]
    both = ["orderFilledEvents", "_meta"]
    assert noted == [
        ("orderbook-subgraph", both, {"n": 5}, 502, "502"),
        ("orderbook-subgraph", both, {"n": 5}, 200, None),
        ("pnl-subgraph", ["x"], {}, 200, None),
    ]
    assert [bool(asked.error) for asked in server.requests] == [False, False, True]


# Faults


def scripted(*kinds: str) -> Faults:
    faults = Faults(0.0, hang_seconds=0.01)
    faults.queue = deque(kinds)
    return faults


def test_the_queue_is_used_up_in_order(serve: Serve) -> None:
    server = serve(fills(1), faults=scripted("503", "ok", "500"))
    assert [post(server, f"{{ {META} }}").status_code for _ in range(4)] == [503, 200, 500, 200]


@pytest.mark.parametrize("kind", ["500", "502", "503", "429"])
def test_a_fault_can_be_a_status(serve: Serve, kind: str) -> None:
    response = post(serve(fills(2), faults=scripted(kind)), "{ orderFilledEvents { id } }")
    assert response.status_code == int(kind)
    assert response.text == ALLOWANCE if kind == "429" else "<html>" in response.text


def test_429_sometimes_says_when_to_come_back(serve: Serve) -> None:
    server = serve({}, faults=scripted(*["429"] * 20))
    said = [post(server, f"{{ {META} }}").headers.get("Retry-After") for _ in range(20)]
    assert set(said) == {None, "0"}


def test_a_fault_can_be_an_answer_of_errors(serve: Serve) -> None:
    server = serve(fills(2), faults=scripted(*["errors"] * 20))
    said = {refusal(server, "{ orderFilledEvents { id } }") for _ in range(20)}
    assert {words.split(":")[0] for words in said} == {"Query timed out", "Store error"}


def test_a_fault_can_be_no_data(serve: Serve) -> None:
    response = post(serve(fills(2), faults=scripted("null")), "{ orderFilledEvents { id } }")
    assert (response.status_code, response.json()) == (200, {"data": None})


@pytest.mark.parametrize("kind", ["not_json", "short_json"])
def test_a_fault_can_be_a_body_that_is_not_json(serve: Serve, kind: str) -> None:
    response = post(serve(fills(2), faults=scripted(kind)), "{ orderFilledEvents { id } }")
    assert response.status_code == 200
    assert response.text.startswith("<html>" if kind == "not_json" else '{"data":')
    with pytest.raises(json.JSONDecodeError):
        response.json()


@pytest.mark.parametrize(("kind", "told"), [("truncated", "without sending complete"), ("hang", "disconnected")])
def test_a_fault_can_end_the_connection(serve: Serve, kind: str, told: str) -> None:
    server = serve(fills(2), faults=scripted(kind))
    with pytest.raises(httpx.RemoteProtocolError, match=told):
        post(server, "{ orderFilledEvents { id } }")
    assert server.requests[-1].fault == kind


def test_a_hanging_request_outlasts_an_impatient_client(serve: Serve) -> None:
    server = serve(fills(1), faults=Faults(1.0, ("hang",), hang_seconds=60))
    url = f"{server.base_url}/orderbook-subgraph/0.0.1/gn"
    with pytest.raises(httpx.ReadTimeout):
        CLIENT.post(url, json={"query": f"{{ {META} }}"}, timeout=httpx.Timeout(10, read=0.05))


def test_a_fault_can_be_half_of_the_rows_beside_errors(serve: Serve) -> None:
    answer = post(serve(fills(10), faults=scripted("partial")), "{ orderFilledEvents { id } }").json()
    assert len(answer["data"]["orderFilledEvents"]) == 5
    assert answer["errors"]


def test_random_faults_are_the_same_for_the_same_seed(serve: Serve) -> None:
    def drawn(**options: Any) -> list[str]:
        faults = Faults(**options)
        return [faults.take() for _ in range(300)]

    assert drawn(rate=0.5, seed=1) == drawn(rate=0.5, seed=1) != drawn(rate=0.5, seed=2)
    assert set(drawn(rate=1.0)) == set(FAULTS)
    assert set(drawn(rate=0.5, kinds=("null",))) == {"ok", "null"}
    assert set(drawn(rate=0.0)) == {"ok"}
    assert drawn(rate=1.0, kinds=("null",), first=3)[:5] == ["ok", "ok", "ok", "null", "null"]


def test_a_fault_must_have_a_known_name() -> None:
    with pytest.raises(ValueError, match="'501'"):
        Faults(0.5, ("429", "501"))
    with pytest.raises(ValueError, match="'501'"):
        scripted("501").take()


# Recordings


def test_a_recording_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(fills(2)))
    assert read_recording(path) == fills(2)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("{", "not JSON"),
        ("[]", "found a list"),
        ('{"Weather": []}', "Unknown entity 'Weather'"),
        ('{"Split": {}}', "list of objects under 'Split'"),
        ('{"Split": [5]}', "list of objects under 'Split'"),
    ],
)
def test_a_file_that_is_no_recording_is_named(tmp_path: Path, written: str, told: str) -> None:
    path = tmp_path / "rows.json"
    path.write_text(written)
    with pytest.raises(ValueError, match=told) as raised:
        read_recording(path)
    assert str(path) in str(raised.value)
    with pytest.raises(SystemExit, match=told):
        main([str(path)])


def test_an_unknown_entity_is_not_served(serve: Serve) -> None:
    with pytest.raises(ValueError, match="Weather"):
        Goldsky({"Weather": []})
    with pytest.raises(ValueError, match="Weather"):
        serve({}).put("Weather", [])


def test_every_schema_is_valid() -> None:
    for name in schema.SUBGRAPHS:
        assert schema.load(name).schema.query_type is not None
