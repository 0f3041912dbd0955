"""loaders/standin/schema.py: the entities of Polymarket's subgraphs and the query schema graph-node makes of them.

Written from the subgraphs' own schemas and not from what the loaders ask, so that a loader that asks for a field
that does not exist is refused here as it would be there.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from graphql import (
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    ObjectTypeDefinitionNode,
    build_schema,
    parse,
    print_ast,
)

SUBGRAPHS = {
    "orderbook-subgraph": """
        type OrderFilledEvent {
          id: ID!
          transactionHash: Bytes!
          timestamp: BigInt!
          orderHash: Bytes!
          maker: String!
          taker: String!
          makerAssetId: String!
          takerAssetId: String!
          makerAmountFilled: BigInt!
          takerAmountFilled: BigInt!
          fee: BigInt!
        }
        type OrdersMatchedEvent {
          id: ID!
          timestamp: BigInt!
          makerAssetID: BigInt!
          takerAssetID: BigInt!
          makerAmountFilled: BigInt!
          takerAmountFilled: BigInt!
        }
        type MarketData { id: ID!, condition: String!, outcomeIndex: BigInt }
    """,
    "pnl-subgraph": """
        type UserPosition {
          id: ID!
          user: String!
          tokenId: BigInt!
          amount: BigInt!
          avgPrice: BigInt!
          realizedPnl: BigInt!
          totalBought: BigInt!
        }
        type Condition {
          id: ID!
          positionIds: [BigInt!]!
          payoutNumerators: [BigInt!]!
          payoutDenominator: BigInt!
        }
        type NegRiskEvent { id: ID!, questionCount: Int! }
    """,
    "activity-subgraph": """
        type Split { id: ID!, timestamp: BigInt!, stakeholder: String!, condition: String!, amount: BigInt! }
        type Merge { id: ID!, timestamp: BigInt!, stakeholder: String!, condition: String!, amount: BigInt! }
        type Redemption {
          id: ID!
          timestamp: BigInt!
          redeemer: String!
          condition: String!
          indexSets: [BigInt!]!
          payout: BigInt!
        }
        type NegRiskConversion {
          id: ID!
          timestamp: BigInt!
          stakeholder: String!
          negRiskMarketId: String!
          amount: BigInt!
          indexSet: BigInt!
          questionCount: Int!
        }
        type NegRiskEvent { id: ID!, questionCount: Int! }
        type Position { id: ID!, condition: String!, outcomeIndex: BigInt! }
        type Condition { id: ID! }
    """,
    "fee-module-subgraph": """
        type FeeRefundedEntity {
          id: ID!
          orderHash: String!
          tokenId: String!
          timestamp: BigInt!
          refundee: String!
          feeRefunded: BigInt!
          feeCharged: BigInt!
          negRisk: Boolean!
        }
    """,
    "fpmm-subgraph": """
        enum TradeType { Buy, Sell }
        type Condition { id: ID! }
        type Collateral { id: ID!, name: String!, symbol: String!, decimals: Int! }
        type FixedProductMarketMaker {
          id: ID!
          creator: Bytes!
          creationTimestamp: BigInt!
          creationTransactionHash: Bytes!
          collateralToken: Collateral!
          conditionalTokenAddress: String!
          conditions: [String!]!
          fee: BigInt!
          outcomeTokenAmounts: [BigInt!]!
          outcomeSlotCount: Int
          totalSupply: BigInt!
        }
        type FpmmFundingAddition {
          id: ID!
          timestamp: BigInt!
          fpmm: FixedProductMarketMaker!
          funder: String!
          amountsAdded: [BigInt!]!
          amountsRefunded: [BigInt!]!
          sharesMinted: BigInt!
        }
        type FpmmFundingRemoval {
          id: ID!
          timestamp: BigInt!
          fpmm: FixedProductMarketMaker!
          funder: String!
          amountsRemoved: [BigInt!]!
          collateralRemoved: BigInt!
          sharesBurnt: BigInt!
        }
        type FpmmTransaction {
          id: ID!
          type: TradeType!
          timestamp: BigInt!
          market: FixedProductMarketMaker!
          user: String!
          tradeAmount: BigInt!
          feeAmount: BigInt!
          outcomeIndex: BigInt!
          outcomeTokensAmount: BigInt!
        }
    """,
}

# What graph-node adds to every subgraph.
SHARED = """
    scalar BigInt
    scalar BigDecimal
    scalar Bytes
    enum OrderDirection { asc, desc }
    enum _SubgraphErrorPolicy_ { allow, deny }
    input Block_height { hash: Bytes, number: Int, number_gte: Int }
    input BlockChangedFilter { number_gte: Int! }
    type _Block_ { hash: Bytes, number: Int!, timestamp: Int, parentHash: Bytes }
    type _Meta_ { block: _Block_!, deployment: String!, hasIndexingErrors: Boolean! }
"""
AT_BLOCK = "block: Block_height, subgraphError: _SubgraphErrorPolicy_! = deny"

EQUAL = ("", "not")
AMONG = ("in", "not_in")
ORDERED = (*EQUAL, "gt", "lt", "gte", "lte", *AMONG)
OPERATORS = {  # by scalar; lists have their own
    "ID": ORDERED,
    "Int": ORDERED,
    "BigInt": ORDERED,
    "Boolean": (*EQUAL, *AMONG),
    "Bytes": (*ORDERED, "contains"),
    "String": (*ORDERED, "contains", "contains_nocase", "starts_with"),
}


@dataclass(frozen=True)
class Entity:
    """An entity as one subgraph knows it."""

    name: str
    kinds: dict[str, str]  # field to scalar: "BigInt", or "[BigInt]" for a list of them
    filters: dict[str, tuple[str, str]]  # name in `where` to field and operator: "fee_gt" to ("fee", "gt")


@dataclass(frozen=True)
class Subgraph:
    """A query schema, and the entity behind each query name: `split` asks for one, `splits` for a list."""

    schema: GraphQLSchema
    singles: dict[str, Entity]
    lists: dict[str, Entity]


@cache
def entities_of(subgraph: str) -> list[Entity]:
    """Return the entities of a subgraph; KeyError if there is no such subgraph."""
    found = []
    for node in parse(SUBGRAPHS[subgraph]).definitions:
        if not isinstance(node, ObjectTypeDefinitionNode):
            continue  # an enum
        kinds = {field.name.value: print_ast(field.type).replace("!", "") for field in node.fields or ()}
        filters = {
            f"{field}_{operator}" if operator else field: (field, operator)
            for field, kind in kinds.items()
            for operator in operators_of(kind)
        }
        found.append(Entity(node.name.value, kinds, filters))
    return found


@cache
def load(subgraph: str) -> Subgraph:
    """Build the query schema of a subgraph; KeyError if there is no such subgraph."""
    entities = entities_of(subgraph)
    singles = {single_name(entity): entity for entity in entities}
    lists = {list_name(entity): entity for entity in entities}
    fields = "\n".join(query_fields(entity) for entity in entities)
    inputs = "\n".join(input_types(entity) for entity in entities)
    query = f"type Query {{ {fields}\n_meta(block: Block_height): _Meta_ }}"
    schema = build_schema(SHARED + SUBGRAPHS[subgraph] + inputs + query)
    for name, read in {"BigInt": read_big_int, "Bytes": read_bytes}.items():
        scalar = schema.type_map[name]
        assert isinstance(scalar, GraphQLScalarType)
        scalar.coerce_input_value = read
    return Subgraph(schema, singles, lists)


def query_fields(entity: Entity) -> str:
    return f"""
        {single_name(entity)}(id: ID!, {AT_BLOCK}): {entity.name}
        {list_name(entity)}(
          first: Int = 100, skip: Int = 0, orderBy: {entity.name}_orderBy, orderDirection: OrderDirection,
          where: {entity.name}_filter, {AT_BLOCK}
        ): [{entity.name}!]!"""


def input_types(entity: Entity) -> str:
    """Return the entity's orderBy and filter types, in SDL."""
    filters = []
    for name, (field, operator) in entity.filters.items():
        kind = filter_kind(entity.kinds[field])
        filters.append(f"{name}: {f'[{kind}!]' if operator in AMONG else kind.replace(']', '!]')}")
    return f"""
        enum {entity.name}_orderBy {{ {" ".join(entity.kinds)} }}
        input {entity.name}_filter {{
          {" ".join(filters)}
          _change_block: BlockChangedFilter
          and: [{entity.name}_filter]
          or: [{entity.name}_filter]
        }}"""


def operators_of(kind: str) -> tuple[str, ...]:
    # What is no scalar is an enum, or a reference to another entity, which is filtered by its id.
    return (*EQUAL, "contains") if kind.startswith("[") else OPERATORS.get(kind, (*EQUAL, *AMONG))


def filter_kind(kind: str) -> str:
    """The type that a filter on such a field takes."""
    return kind if kind in OPERATORS or kind.startswith("[") or kind == "TradeType" else "String"


def single_name(entity: Entity) -> str:
    return entity.name[0].lower() + entity.name[1:]


def list_name(entity: Entity) -> str:
    name = single_name(entity)
    return name[:-1] + "ies" if name.endswith("y") else name + "s"


def read_big_int(value: Any) -> int:
    """Return a BigInt given as text or as a JSON number; GraphQLError if it is not an integer."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    # 4,300 digits are the most Python converts; a uint256 has 78.
    if isinstance(value, str) and re.fullmatch("-?[0-9]{1,4300}", value):
        return int(value)
    raise GraphQLError(f"Failed to decode `BigInt` value: `{value}`")


def read_bytes(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise GraphQLError(f"Failed to decode `Bytes` value: `{value}`")


ENTITY_NAMES = frozenset(entity.name for subgraph in SUBGRAPHS for entity in entities_of(subgraph))
