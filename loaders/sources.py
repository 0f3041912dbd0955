"""Which files are meant: paths, patterns and addresses, of what kind they are, and whether those here are whole.

ClickHouse reads a .zst file that is cut off, or a last line that is, as if it were all: both are looked at here.
"""

import os
import re
import struct
from dataclasses import dataclass
from glob import iglob
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from loaders.options import UsageError

FORMATS = {
    "parquet": "Parquet",
    "csv": "CSVWithNames",
    "tsv": "TSVWithNames",
    "jsonl": "JSONEachRow",
    "ndjson": "JSONEachRow",
    "json": "JSONEachRow",
}
PACKED = ("gz", "zst", "xz")
ENDING = re.compile(rf".*\.({'|'.join(FORMATS)})(?:\.({'|'.join(PACKED)}))?", re.DOTALL | re.IGNORECASE)
ZSTD_FRAME, ZSTD_SKIPPED = 0xFD2FB528, 0x184D2A50  # the latter with any last four bits


@dataclass(frozen=True)
class Source:
    """A file, a pattern of files that have the same columns, or an address."""

    shown: str  # as it may be printed
    function: str  # ClickHouse's table function that reads it
    place: str
    format: str


def sources(words: list[str]) -> list[Source]:
    """The files that are named. Raises UsageError where one is not there, not whole, or of no known kind."""
    found = [_source(word) for word in words]
    for number, one in enumerate(found):
        if one in found[:number]:
            raise UsageError(f"{one.shown} is named twice")
    return found


def shown(text: str) -> str:
    """Text with its addresses as they may be printed: without user, password and query, which may be secret."""
    return re.sub(r"(\w+://)(?:[^/\s@'\"]*@)?([^\s?#'\"]*)(?:[?#][^\s'\"]*)?", r"\1\2", text)


def _source(word: str) -> Source:
    scheme = word.partition("://")[0].lower() if "://" in word else ""
    if scheme not in ("", "s3", "http", "https"):
        raise UsageError(f"{shown(word)}: files are read from a path, s3://, https:// or http://")
    ending = ENDING.fullmatch(urlsplit(word).path if scheme else word)
    if not ending or (ending[1].lower() == "parquet" and ending[2]):
        raise UsageError(
            f"{shown(word)}: the kind of a file is told by its ending: .parquet, .csv, .tsv, .jsonl or .ndjson, "
            f"and but for Parquet {' or '.join(f'.{one}' for one in PACKED)} after it"
        )
    kind, packing = ending[1].lower(), (ending[2] or "").lower()
    if not scheme:
        return Source(word, "file", _path(word, kind, packing), FORMATS[kind])
    if packing == "zst":
        raise UsageError(f"{shown(word)}: download it first; whether a .zst is whole can be told of a file here only")
    if scheme == "s3":
        return Source(shown(word), "s3", _object(word), FORMATS[kind])
    return Source(shown(word), "url", word, FORMATS[kind])


def _object(word: str) -> str:
    """Where an S3 object is; AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL name another service, as for AWS's own tools."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    return f"{endpoint.rstrip('/')}/{word[len('s3://') :]}" if endpoint else word


def _path(word: str, kind: str, packing: str) -> str:
    """The absolute path, or pattern, of files that are there and whole."""
    path = Path(word).expanduser().absolute()
    is_pattern = re.search(r"[*?{}]", str(path)) is not None
    if re.search(r"[{}]", str(path)) or (is_pattern and path.exists()):
        raise UsageError(f"{word}: braces, * and ? make a pattern of files; * and ? can be used as one, braces cannot")
    files = [Path(one) for one in iglob(str(path), recursive=True)] if is_pattern else [path]
    if not files:
        raise UsageError(f"{word}: there is no such file")
    for file in files:
        if not file.is_file():
            raise UsageError(f"{file} is a folder, not a file" if file.exists() else f"{file} does not exist")
        _check_end(file, kind, packing)
    return str(path)


def _check_end(file: Path, kind: str, packing: str) -> None:
    """Raises UsageError where a file is cut off and ClickHouse would not notice."""
    with file.open("rb") as content:
        size = content.seek(0, os.SEEK_END)
        if not size:
            raise UsageError(f"{file} is empty")
        if packing == "zst" and not _is_whole_zstd(content, size):
            raise UsageError(f"{file} is cut off or damaged: it does not end where a .zst file does")
        if not packing and kind in ("csv", "tsv"):
            content.seek(-1, os.SEEK_END)
            if content.read(1) != b"\n":
                raise UsageError(
                    f"{file} ends in the middle of a line and may be cut off; if it is whole, add a line break to it"
                )


def _is_whole_zstd(content: IO[bytes], size: int) -> bool:
    """Whether frames and their blocks reach exactly to the end (RFC 8878). Nothing is unpacked."""
    place = 0
    while place < size:
        content.seek(place)
        head = content.read(8)
        if len(head) < 8:
            return False
        magic, flags = struct.unpack("<IB", head[:5])
        if magic & ~15 == ZSTD_SKIPPED:
            place += 8 + int.from_bytes(head[4:], "little")
            continue
        if magic != ZSTD_FRAME:
            return False
        is_single, has_checksum = flags >> 5 & 1, flags >> 2 & 1
        place += 5 + (0, 1, 2, 4)[flags & 3] + ((1, 2, 4, 8) if is_single else (1, 3, 5, 9))[flags >> 6]
        is_last = False
        while not is_last:
            content.seek(place)
            block = content.read(3)
            if len(block) < 3:
                return False
            number = int.from_bytes(block, "little")
            is_last, is_repeated = bool(number & 1), number >> 1 & 3 == 1
            place += 3 + (1 if is_repeated else number >> 3)
        place += 4 * has_checksum
    return place == size
