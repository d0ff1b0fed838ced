"""MessagePack as the engine writes and reads it, for values that cross as such."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

__all__ = ["Reader", "blob", "head", "number", "text", "timestamp"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Reader:
    """One message. What is no message of the engine's raises ``ValueError``."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def whole(self) -> Any:
        """The value of the message."""
        value = self._value()
        if self._at != len(self._data):
            raise ValueError(f"msgpack: {len(self._data) - self._at} bytes behind the value")
        return value

    def _value(self) -> Any:
        lead = self.take(1)[0]
        if lead < 0x80:
            return lead
        if lead >= 0xE0:
            return lead - 0x100
        if lead < 0x90:
            return self.map(lead & 0x0F)
        if lead < 0xA0:
            return self.array(lead & 0x0F)
        if lead < 0xC0:
            return self.take(lead & 0x1F).decode()
        read = _READS.get(lead)
        if read is None:
            raise ValueError(f"msgpack: there is no value that begins with 0x{lead:02x}")
        return read(self)

    def take(self, n: int) -> bytes:
        """The next bytes."""
        end = self._at + n
        if end > len(self._data):
            raise ValueError("msgpack: the message ends in the middle of a value")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def unsigned(self, n: int) -> int:
        """An integer of so many bytes."""
        return int.from_bytes(self.take(n))

    def signed(self, n: int) -> int:
        """An integer of so many bytes, which may be below zero."""
        return int.from_bytes(self.take(n), signed=True)

    def float(self, form: str, n: int) -> float:
        """A float."""
        return float(struct.unpack(form, self.take(n))[0])

    def array(self, n: int) -> list[Any]:
        """So many values."""
        return [self._value() for _ in range(n)]

    def map(self, n: int) -> dict[str, Any]:
        """So many members."""
        return {self._value(): self._value() for _ in range(n)}

    def extension(self, n: int) -> datetime:
        """The extension of so many bytes: a time."""
        kind = self.signed(1)
        if kind != -1 or n not in (4, 8, 12):
            raise ValueError(f"msgpack: expected a time, got the extension {kind} of {n} bytes")
        nanos, seconds = 0, 0
        if n == 4:
            seconds = self.unsigned(4)
        elif n == 8:
            both = self.unsigned(8)
            nanos, seconds = both >> 34, both & ((1 << 34) - 1)
        else:
            nanos, seconds = self.unsigned(4), self.signed(8)
        return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)


_READS: dict[int, Callable[[Reader], Any]] = {
    0xC0: lambda r: None,
    0xC2: lambda r: False,
    0xC3: lambda r: True,
    0xCA: lambda r: r.float(">f", 4),
    0xCB: lambda r: r.float(">d", 8),
}


def _by_length(lead: int, sizes: tuple[int, ...], read: Callable[[Reader, int], Any]) -> None:
    for i, size in enumerate(sizes):
        _READS[lead + i] = _sized_read(read, size)


def _sized_read(read: Callable[[Reader, int], Any], size: int) -> Callable[[Reader], Any]:
    return lambda r: read(r, size)


_by_length(0xC4, (1, 2, 4), lambda r, n: r.take(r.unsigned(n)))
_by_length(0xC7, (1, 2, 4), lambda r, n: r.extension(r.unsigned(n)))
_by_length(0xCC, (1, 2, 4, 8), lambda r, n: r.unsigned(n))
_by_length(0xD0, (1, 2, 4, 8), lambda r, n: r.signed(n))
_by_length(0xD4, (1, 2, 4, 8, 16), lambda r, n: r.extension(n))
_by_length(0xD9, (1, 2, 4), lambda r, n: r.take(r.unsigned(n)).decode())
_by_length(0xDC, (2, 4), lambda r, n: r.array(r.unsigned(n)))
_by_length(0xDE, (2, 4), lambda r, n: r.map(r.unsigned(n)))


def number(value: float) -> bytes:
    """An integer in the fewest bytes, or a float."""
    if isinstance(value, float):
        return struct.pack(">Bd", 0xCB, value)
    if 0 <= value < 0x80 or -0x20 <= value < 0:
        return (value & 0xFF).to_bytes(1)
    for lead, size in ((0xCC, 1), (0xCD, 2), (0xCE, 4), (0xCF, 8)):
        if 0 <= value < 1 << (8 * size):
            return bytes((lead,)) + value.to_bytes(size)
    for lead, size in ((0xD0, 1), (0xD1, 2), (0xD2, 4), (0xD3, 8)):
        if -(1 << (8 * size - 1)) <= value < 0:
            return bytes((lead,)) + value.to_bytes(size, signed=True)
    raise ValueError(f"msgpack: expected 64 bits, got {value}")


def text(value: str) -> bytes:
    """A string."""
    b = value.encode()
    n = len(b)
    if n < 32:
        return bytes((0xA0 | n,)) + b
    return _sized(n, ((0xD9, 1), (0xDA, 2), (0xDB, 4))) + b


def blob(value: bytes) -> bytes:
    """Bytes."""
    return _sized(len(value), ((0xC4, 1), (0xC5, 2), (0xC6, 4))) + value


def head(n: int, *, members: bool) -> bytes:
    """What stands in front of so many elements, or members."""
    if n < 16:
        return bytes(((0x80 if members else 0x90) | n,))
    lead = 0xDE if members else 0xDC
    return _sized(n, ((lead, 2), (lead + 1, 4)))


def timestamp(value: datetime) -> bytes:
    """A time, which must have a time zone."""
    seconds, rest = divmod(value - _EPOCH, timedelta(seconds=1))
    return struct.pack(">BBbIq", 0xC7, 12, -1, (rest // _MICROSECOND) * 1000, seconds)


def _sized(n: int, leads: tuple[tuple[int, int], ...]) -> bytes:
    for lead, size in leads:
        if n < 1 << (8 * size):
            return bytes((lead,)) + n.to_bytes(size)
    raise ValueError(f"msgpack: expected less than 4294967296 elements, got {n}")
