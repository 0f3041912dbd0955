"""What a file of fills may look like: our columns, the names they go by elsewhere, and how a value is understood.

A value is understood in ClickHouse's SQL, millions of rows at once: an expression that is null where it is not what it
should be. The rules are those for rows from the wire (entities.py).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

MOST_UINT256 = str(2**256 - 1)
# 1970 to 2105, whole seconds, UTC.
MOMENT = (
    "^(19[7-9][0-9]|20[0-9]{2}|210[0-5])-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}([.]0+)?(Z|[+]00:?00| UTC)?$"
)

# The SQL of a value, given that of what the file has and its ClickHouse type; None where the type cannot be understood.
Read = Callable[[str, str], str | None]


@dataclass(frozen=True)
class Form:
    """A kind of value: what is said of one that is none, which types it may have in a file, and how it is read."""

    wrong: str
    types: str
    read: Read


def _text(given: str, type_name: str) -> str | None:
    """The SQL of a value that is text, or as good as text."""
    if type_name == "String":
        return given
    if re.fullmatch(r"FixedString\([0-9]+\)", type_name):
        return f"toStringCutToZero({given})"
    if re.fullmatch(r"Decimal\([0-9]+, 0\)", type_name):
        return f"toString({given})"
    return None


def _is_integer(type_name: str) -> bool:
    return bool(re.fullmatch(r"U?Int(8|16|32|64|128|256)", type_name))


def _hex(size: int) -> Form:
    def read(given: str, type_name: str) -> str | None:
        if type_name == f"FixedString({size})":
            return given
        if re.fullmatch(r"Decimal\(.*", type_name) or not (text := _text(given, type_name)):
            return None
        digits = f"substring({text}, 3)"
        # Where it does not match, the first bytes are taken and thrown away: toFixedString refuses what is too long.
        value = f"toFixedString(substring(unhex({digits}), 1, {size}), {size})"
        return f"if(match({text}, '^0x[0-9a-fA-F]{{{2 * size}}}$'), {value}, null)"

    return Form(f"is not 0x and {2 * size} hex digits", f"text, or {size} bytes", read)


def _whole(bits: int) -> Form:
    def read(given: str, type_name: str) -> str | None:
        if _is_integer(type_name):
            return f"accurateCastOrNull({given}, 'UInt{bits}')"
        if not (text := _text(given, type_name)):
            return None
        is_number = f"match({text}, '^[0-9]{{1,78}}$')"
        if bits == 256:  # toUInt256OrNull begins again at 0 beyond the largest
            is_number += f" and (length({text}) < 78 or {text} <= '{MOST_UINT256}')"
        return f"if({is_number}, toUInt{bits}OrNull({text}), null)"

    return Form(f"is not a whole number of up to {bits} bits", "whole numbers, or text", read)


def _moment(given: str, type_name: str) -> str | None:
    if _is_integer(type_name):
        return f"accurateCastOrNull({given}, 'UInt32')"
    if re.fullmatch(r"DateTime(\(.*\))?", type_name):
        return f"toUnixTimestamp({given})"
    if re.fullmatch(r"DateTime64\(.*\)", type_name):
        return f"if({given} = toDateTime({given}), toUnixTimestamp(toDateTime({given})), null)"
    if not (text := _text(given, type_name)):
        return None
    written = f"parseDateTimeBestEffortOrNull(replaceOne(substring({text}, 1, 19), 'T', ' '), 'UTC')"
    return (
        f"multiIf(match({text}, '^[0-9]{{1,10}}$'), toUInt32OrNull({text}), "
        f"match({text}, '{MOMENT}'), toUnixTimestamp({written}), null)"
    )


def _side(given: str, type_name: str) -> str | None:
    if _is_integer(type_name):
        return f"if({given} in (0, 1), toUInt8({given}), null)"
    if not (text := _text(given, type_name)):
        return None
    return f"transform(lower({text}), ['0', '1', 'buy', 'sell'], [0, 1, 0, 1]::Array(Nullable(UInt8)), null)"


HASH = _hex(32)
ADDRESS = _hex(20)
UINT256 = _whole(256)
UINT64 = _whole(64)
UINT32 = _whole(32)
SECONDS = Form(
    "is not a moment: unix seconds, or 2025-01-31T12:00:00 in UTC", "whole numbers, moments or text", _moment
)
SIDE = Form("is neither buy (0) nor sell (1)", "whole numbers, or text", _side)


@dataclass(frozen=True)
class Column:
    """A column of a raw table, and what it is called elsewhere (compared without case and punctuation)."""

    name: str
    form: Form
    also: tuple[str, ...] = ()
    default: str | None = None  # SQL of the value where a file has no such column

    @property
    def names(self) -> tuple[str, ...]:
        """What it may be called, best first."""
        return tuple(map(plain, (self.name, *self.also)))


@dataclass(frozen=True)
class Layout:
    """A raw table as files may hold it. `checks` are sentences about a row and their SQL, where {name} is a value."""

    protocol: str
    entity: str
    table: str
    columns: tuple[Column, ...]
    key: tuple[str, str]  # the columns of a row's id
    checks: tuple[tuple[str, str], ...]
    wrong_id: str = ""  # SQL that says whether an id, where a file has it, is of another row


def plain(name: str) -> str:
    """A column's name without case and punctuation: maker_asset_id and makerAssetId are one."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


_TRANSACTION = Column("transaction_hash", HASH, ("tx_hash", "evt_tx_hash"))
_TIMESTAMP = Column("timestamp", SECONDS, ("block_timestamp", "block_time", "evt_block_time"))
_ORDER = (
    Column("order_hash", HASH),
    Column("maker", ADDRESS),
    Column("taker", ADDRESS),
)
_AMOUNTS = (
    Column("maker_amount_filled", UINT64),
    Column("taker_amount_filled", UINT64),
    Column("fee", UINT64),
)
_NO_BYTES = "toFixedString('', 32)"

V1 = Layout(
    protocol="v1",
    entity="OrderFilledEvent",
    table="order_filled_events",
    columns=(
        _TRANSACTION,
        _TIMESTAMP,
        *_ORDER,
        Column("maker_asset_id", UINT256),
        Column("taker_asset_id", UINT256),
        *_AMOUNTS,
    ),
    key=("transaction_hash", "order_hash"),
    # Others number their rows as they please: only an id as long as the subgraph's is looked at. In lower case only
    # where it differs, which is dear.
    wrong_id=(
        "length(given_id) = 133 "
        "and not (startsWith(given_id, given_transaction_hash) and endsWith(given_id, given_order_hash)) "
        "and lower(given_id) != lower(concat(given_transaction_hash, '_', given_order_hash))"
    ),
    checks=(
        (
            "neither a buy nor a sell: exactly one of maker_asset_id and taker_asset_id must be 0",
            "({maker_asset_id} = 0) = ({taker_asset_id} = 0)",
        ),
    ),
)
V2 = Layout(
    protocol="v2",
    entity="OrderFilledV2",
    table="order_filled_events_v2",
    columns=(
        _TRANSACTION,
        Column("log_index", UINT32, ("evt_index",)),
        Column("block_number", UINT64, ("block", "evt_block_number")),
        _TIMESTAMP,
        Column("address", ADDRESS, ("contract_address", "contract")),
        *_ORDER,
        Column("side", SIDE),
        Column("token_id", UINT256, ("asset_id",)),
        *_AMOUNTS,
        Column("builder", HASH, default=_NO_BYTES),
        Column("metadata", HASH, default=_NO_BYTES),
    ),
    key=("transaction_hash", "log_index"),
    checks=(("token_id is 0, which is no outcome token", "{token_id} = 0"),),
)
LAYOUTS = (V1, V2)


class LayoutError(Exception):
    """Columns that make no fills; the message says which are missing or wrong."""


@dataclass(frozen=True)
class Mapping:
    """Which column of a file is which of ours."""

    layout: Layout
    theirs: dict[str, str]  # by our name
    types: dict[str, str]  # by our name, without Nullable and the like
    id: str | None  # the column that should be the two columns of the key
    unused: tuple[str, ...]


def recognise(columns: dict[str, str], given: dict[str, str], protocol: str | None) -> Mapping:
    """The mapping of a file with these columns (ClickHouse types by name); `given` says which of theirs is which of
    ours. Raises LayoutError."""
    if missing := [name for name in given if name not in columns]:
        raise LayoutError(f"has no column {missing[0]!r}, which --map names; it has {_listed(columns)}")
    found = [_mapped(layout, columns, given) for layout in LAYOUTS if protocol in (None, layout.protocol)]
    whole = [mapping for mapping in found if not _missing(mapping)]
    if len(whole) > 1:
        raise LayoutError(
            "has the columns of V1 and of V2 fills: say with --protocol v1 or --protocol v2 which it holds"
        )
    if not whole:
        nearest = min(found, key=lambda mapping: len(_missing(mapping)))
        names = _missing(nearest)
        raise LayoutError(
            f"has no column for {', '.join(names)} of {nearest.layout.protocol.upper()} fills; it has "
            f"{_listed(columns)}. Say which it is with --map THEIRS={names[0]}"
        )
    for column in whole[0].layout.columns:
        _check_type(column, whole[0])
    return whole[0]


def _mapped(layout: Layout, columns: dict[str, str], given: dict[str, str]) -> Mapping:
    theirs = {ours: name for name, ours in given.items() if any(column.name == ours for column in layout.columns)}
    free = [name for name in columns if name not in given]
    for column in layout.columns:
        if column.name not in theirs:
            for known in column.names:
                same = [name for name in free if plain(name) == known]
                if len(same) > 1:
                    raise LayoutError(f"has {_listed(same)}: say with --map which is {column.name}")
                if same:
                    theirs[column.name] = same[0]
                    break
    types = {ours: _bare(columns[name]) for ours, name in theirs.items()}
    is_text = all(types.get(name) == "String" for name in layout.key)
    ids = [name for name in free if name == "id" and _bare(columns[name]) == "String" and is_text and layout.wrong_id]
    unused = tuple(name for name in columns if name not in (*theirs.values(), *ids))
    return Mapping(layout, theirs, types, ids[0] if ids else None, unused)


def _missing(mapping: Mapping) -> list[str]:
    return [c.name for c in mapping.layout.columns if c.default is None and c.name not in mapping.theirs]


def _check_type(column: Column, mapping: Mapping) -> None:
    if column.name not in mapping.theirs:
        return
    name, type_name = mapping.theirs[column.name], mapping.types[column.name]
    if re.search(r"[`'\\]", name):
        raise LayoutError(f"has a column {name!r}: rename it, quotes cannot be part of a name here")
    if type_name.startswith(("Float", "BFloat")):
        raise LayoutError(
            f"has {name} ({column.name}) as {type_name}: money and ids are never floats, which round them; "
            "write it as whole base units (1 USDC is 1000000) or as text"
        )
    if column.form.read("x", type_name) is None:
        raise LayoutError(f"has {name} ({column.name}) as {type_name}, where {column.form.types} can be understood")


def _bare(type_name: str) -> str:
    """A type without Nullable and LowCardinality around it."""
    while wrapped := re.fullmatch(r"(?:Nullable|LowCardinality)\((.*)\)", type_name):
        type_name = wrapped[1]
    return type_name


def _listed(names: dict[str, str] | list[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - 20} more" if len(shown) > 20 else ""
    return ", ".join(name[:60] for name in shown[:20]) + more
