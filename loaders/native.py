"""Columns and blocks in ClickHouse's format Native: a page is a few large texts of bytes, not many objects.

A block is its number of columns and of rows, then each column: name, type, values. An insert may be many blocks, one
after the other; the server puts them together again.
"""

import struct
from collections.abc import Callable
from itertools import accumulate, chain
from typing import Any

Write = Callable[[list[Any]], bytes]  # the values of a column


def block(rows: int, columns: list[tuple[str, str, bytes]]) -> bytes:
    """One block of so many rows; columns are (name, type, values as written)."""
    parts = [_varint(len(columns)), _varint(rows)]
    for name, kind, values in columns:
        parts += [_text(name), _text(kind), values]
    return b"".join(parts)


def texts(values: list[str]) -> bytes:
    """String."""
    return b"".join(map(_text, values))


def same_text(value: str, rows: int) -> bytes:
    """String, the same in each row."""
    return _text(value) * rows


def integers(bits: int, signed: bool = False) -> Write:
    """UInt8, UInt32, UInt64, UInt256, Int256; DateTime is a UInt32. Raises OverflowError where one does not fit."""
    size = bits // 8
    if bits > 64:
        return lambda values: b"".join([value.to_bytes(size, "little", signed=signed) for value in values])
    code = {1: "B", 4: "I", 8: "Q"}[size]

    def write(values: list[int]) -> bytes:
        try:
            return struct.pack(f"<{len(values)}{code}", *values)
        except struct.error as error:
            raise OverflowError(str(error)) from None

    return write


def nullable(of: Write, filler: Any) -> Write:
    """Nullable: which are null, then all values, with the filler in the place of nulls."""
    return lambda values: (
        bytes([value is None for value in values]) + of([filler if value is None else value for value in values])
    )


def arrays(of: Write) -> Write:
    """Array: where each ends, then the items of all."""
    return lambda values: (
        struct.pack(f"<{len(values)}Q", *accumulate(map(len, values))) + of(list(chain.from_iterable(values)))
    )


def _text(value: str) -> bytes:
    encoded = value.encode()
    return _varint(len(encoded)) + encoded


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)
