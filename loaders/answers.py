"""Read HTTP answers that may be hostile: of bounded size, from where they were asked, with no surprise in unpacking.

Time is bounded by whoever asks. Knows HTTP only.
"""

from dataclasses import dataclass
from typing import Any

import httpx

from loaders import __version__

# Bytes, as sent and as unpacked; the largest page of 1,000 rows has about one million.
LARGEST_ANSWER = 16_000_000


class HostileAnswer(httpx.HTTPError):
    """An answer that is not read to its end; the message says why."""


@dataclass(frozen=True)
class Reply:
    """An answer as read."""

    status: int
    headers: httpx.Headers
    content: bytes


def client(token: str | None, timeout: float) -> httpx.AsyncClient:
    """A client that bears the token, if any, and follows no redirect: where to ask is said by us."""
    headers = {"user-agent": f"polyledger/{__version__}", "accept-encoding": "gzip"}
    if token:
        headers["authorization"] = f"Bearer {token}"
    return httpx.AsyncClient(headers=headers, timeout=timeout, follow_redirects=False)


async def post(client: httpx.AsyncClient, url: str, question: dict[str, Any]) -> Reply:
    """Post a question as JSON. Raises httpx.HTTPError."""
    async with client.stream("POST", url, json=question) as response:
        # Of gzip a piece of the network unpacks to a thousand times its size at most; of others, or of several one
        # upon the other, there is no telling.
        packed = response.headers.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", "gzip"):
            raise HostileAnswer(f"an answer packed as {packed[:40]!r}, which was not asked for")
        parts, size = [], 0
        async for part in response.aiter_bytes():
            size += len(part)
            if max(size, response.num_bytes_downloaded) > LARGEST_ANSWER:
                raise HostileAnswer(f"an answer of more than {LARGEST_ANSWER // 1_000_000} MB")
            parts.append(part)
        content = b"".join(parts)
        if token := client.headers.get("authorization", "").removeprefix("Bearer "):
            content = content.replace(token.encode(), b"***")  # an endpoint may repeat what it was sent
        return Reply(response.status_code, response.headers, content)
