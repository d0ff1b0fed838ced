"""The message that a step's function gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["Header", "Message"]

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

Header = tuple[str, bytes | None]
"""One record header. Keys may repeat; a value may be null."""


class Message(Generic[T_co]):
    """The typed, read-only view of one record.

    In a running pipeline a function gets an object of the same attributes and
    methods that reads from the engine's memory on first touch. This class is what
    annotations name, what tests construct, and what the ``with_`` methods return.
    A function that returns a message sets payload, key and headers; the rest of it
    says where the record came from and can not be changed.
    """

    __slots__ = (
        "_headers",
        "_key",
        "_offset",
        "_partition",
        "_payload",
        "_timestamp",
        "_topic",
    )

    def __init__(
        self,
        payload: T_co,
        key: bytes | None = None,
        headers: Iterable[Header] = (),
        timestamp: float | None = None,
        topic: str = "",
        partition: int = 0,
        offset: int = 0,
    ) -> None:
        self._payload = payload
        self._key = _key(key)
        self._headers = tuple(_header(h) for h in headers)
        self._timestamp = timestamp
        self._topic = topic
        self._partition = partition
        self._offset = offset

    @property
    def payload(self) -> T_co:
        """The value that the previous step produced."""
        return self._payload

    @property
    def key(self) -> bytes | None:
        """The record key; None where there is none."""
        return self._key

    @property
    def headers(self) -> list[Header]:
        """The record headers, in order. The list is a copy."""
        return list(self._headers)

    @property
    def timestamp(self) -> float | None:
        """The record timestamp in seconds since the epoch; None where there is none."""
        return self._timestamp

    @property
    def topic(self) -> str:
        """The topic that the record came from."""
        return self._topic

    @property
    def partition(self) -> int:
        """The partition that the record came from."""
        return self._partition

    @property
    def offset(self) -> int:
        """The offset of the record in its partition."""
        return self._offset

    def with_payload(self, payload: U) -> Message[U]:
        """A message with another payload and the same rest."""
        return Message(payload, *self._meta())

    def with_key(self, key: bytes | None) -> Message[T_co]:
        """A message with another key; None removes it."""
        return Message(self._payload, key, *self._meta()[1:])

    def with_header(self, key: str, value: bytes | None) -> Message[T_co]:
        """A message with one header more, after the present ones."""
        headers = (*self._headers, (key, value))
        return Message(self._payload, self._key, headers, *self._meta()[2:])

    def without_header(self, key: str) -> Message[T_co]:
        """A message without the headers of that name."""
        headers = [h for h in self._headers if h[0] != key]
        return Message(self._payload, self._key, headers, *self._meta()[2:])

    def _meta(self) -> tuple[bytes | None, tuple[Header, ...], float | None, str, int, int]:
        return (
            self._key,
            self._headers,
            self._timestamp,
            self._topic,
            self._partition,
            self._offset,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return (Message, (self._payload, *self._meta()))

    def __eq__(self, other: object) -> bool:
        # A message of a running pipeline is of another class and equal all the same.
        try:
            theirs = tuple(getattr(other, name) for name in _ATTRIBUTES)
        except AttributeError:
            return NotImplemented
        return tuple(getattr(self, name) for name in _ATTRIBUTES) == theirs

    # A payload is a dict more often than not.
    __hash__: ClassVar[None]  # type: ignore[assignment]

    def __repr__(self) -> str:
        parts = [repr(self._payload)]
        parts += [
            f"{name}={getattr(self, name)!r}"
            for name, default in zip(_ATTRIBUTES[1:], _DEFAULTS, strict=True)
            if getattr(self, name) != default
        ]
        return f"Message({', '.join(parts)})"


_ATTRIBUTES = ("payload", "key", "headers", "timestamp", "topic", "partition", "offset")
_DEFAULTS: tuple[object, ...] = (None, [], None, "", 0, 0)


# Arguments come from code that nobody has type checked, tests above all: what is
# wrong is told where it is made, not at the sink.
def _key(key: object) -> bytes | None:
    if key is None or isinstance(key, bytes):
        return key
    raise TypeError(f"message key: expected bytes or None, got {type(key).__name__}")


def _header(header: object) -> Header:
    match header:
        case (str() as key, (bytes() | None) as value):
            return (key, value)
        case _:
            raise TypeError(f"message header: expected (str, bytes or None), got {header!r}")
