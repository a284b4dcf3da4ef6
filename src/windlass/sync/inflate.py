"""Bodies within bounds: read and decompressed piece by piece, so that a bomb costs a few pieces of memory."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

import msgspec

from windlass.errors import BadResponse
from windlass.sync.reply import Headers

ENCODINGS = "gzip, deflate"
"""What we say that we accept."""

_PIECE = 1 << 16
# A short body may well be all zeros; only beyond this does its ratio look like an attack.
_RATIO_FREE = 1 << 20


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer may cost."""

    body: int = 32 << 20
    """Bytes of a body, decompressed."""
    depth: int = 64
    """Levels of its JSON."""
    ratio: int = 200
    """How many times its compressed size a body of more than a megabyte may have."""


def read_body(pieces: Iterable[bytes], headers: Headers, limits: Limits, what: str) -> bytes:
    """The whole body, decompressed.

    Raises:
        BadResponse: it is larger than the limits, compressed in a way that was not asked for, or damaged.
    """
    length = headers.get("content-length", "")
    if length.isdigit() and int(length[:20]) > limits.body:
        raise too_large(what, f"{int(length[:20]):,} bytes", limits)
    counted = _Counted(pieces)
    whole: list[bytes] = []
    size = 0
    for piece in _decoded(counted, headers.get("content-encoding", ""), what):
        size += len(piece)
        if size > limits.body:
            raise too_large(what, f"more than {limits.body:,} bytes", limits)
        if size > _RATIO_FREE and size > counted.size * limits.ratio:
            raise BadResponse(
                f"{what}: {counted.size:,} bytes became {size:,} when they were decompressed, more than "
                f"{limits.ratio} times as many: it was not read on"
            )
        whole.append(piece)
    return whole[0] if len(whole) == 1 else b"".join(whole)


def too_large(what: str, size: str, limits: Limits) -> BadResponse:
    """The error for a body beyond the limit."""
    return BadResponse(
        f"{what}: the answer has {size}, and the limit is {limits.body:,}: "
        "ask for smaller pages, or raise the limit with Limits(body=…)"
    )


class _Counted:
    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces:
            self.size += len(piece)
            yield piece


def _decoded(pieces: Iterable[bytes], encoding: str, what: str) -> Iterable[bytes]:
    match encoding.strip().lower():
        case "" | "identity":
            return pieces
        case "gzip" | "x-gzip":
            return _inflated(pieces, 16 + zlib.MAX_WBITS, what)
        case "deflate":
            return _inflated(pieces, zlib.MAX_WBITS, what)
        case other:
            raise BadResponse(
                f"{what}: the answer is compressed as {other[:40]!r}, and {ENCODINGS} was asked for"
            )


def _inflated(pieces: Iterable[bytes], window: int, what: str) -> Iterator[bytes]:
    inflater, begun = zlib.decompressobj(window), False
    try:
        for piece in pieces:
            rest = piece
            if rest and not begun:
                begun = True
                # "deflate" means zlib's format; some servers leave its header out.
                if window == zlib.MAX_WBITS and rest[0] & 0x0F != 8:
                    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
            while rest:
                if inflater.eof:
                    # Several compressed files in a row are one; zeros after the last are padding.
                    if not (rest := rest.lstrip(b"\0")):
                        break
                    inflater = zlib.decompressobj(window)
                yield inflater.decompress(rest, _PIECE)
                rest = inflater.unused_data if inflater.eof else inflater.unconsumed_tail
        # What is still inside, a piece at a time: `flush` would give it all at once.
        while begun and not inflater.eof and (last := inflater.decompress(b"", _PIECE)):
            yield last
    except zlib.error as error:
        raise BadResponse(f"{what}: the compressed answer is damaged: {error}") from error
    if begun and not inflater.eof:
        raise BadResponse(f"{what}: the compressed answer ends in its middle")
