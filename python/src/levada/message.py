"""The message that a step's function gets."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Generic, TypeVar

__all__ = ["Header", "Message"]

T_co = TypeVar("T_co", covariant=True)
U = TypeVar("U")

Header = tuple[str, bytes | None]
"""One record header. Keys may repeat; a value may be null."""

_Meta = tuple[bytes | None, tuple[Header, ...], float | None, str, int, int]
_NO_META: _Meta = (None, (), None, "", 0, 0)


class Message(Generic[T_co]):
    """The typed, read-only view of one record.

    In a running pipeline a function gets an object of the same attributes and
    methods that reads from the engine's memory on first touch. This class is what
    annotations name, what tests construct, and what the ``with_`` methods return.
    A function that returns a message sets payload, key and headers; the rest of it
    says where the record came from and can not be changed.
    """

    # What most messages of a test do not have is one None: an extension reads two slots
    # of a message and not seven.
    __slots__ = ("_meta", "_payload")

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
        meta: _Meta = (
            _key(key),
            tuple(_header(h) for h in headers),
            timestamp,
            topic,
            partition,
            offset,
        )
        self._meta = None if meta == _NO_META else meta

    @property
    def payload(self) -> T_co:
        """The value that the previous step produced."""
        return self._payload

    @property
    def key(self) -> bytes | None:
        """The record key; None where there is none."""
        return self._all()[0]

    @property
    def headers(self) -> list[Header]:
        """The record headers, in order. The list is a copy."""
        return list(self._all()[1])

    @property
    def timestamp(self) -> float | None:
        """The record timestamp in seconds since the epoch; None where there is none."""
        return self._all()[2]

    @property
    def topic(self) -> str:
        """The topic that the record came from."""
        return self._all()[3]

    @property
    def partition(self) -> int:
        """The partition that the record came from."""
        return self._all()[4]

    @property
    def offset(self) -> int:
        """The offset of the record in its partition."""
        return self._all()[5]

    def with_payload(self, payload: U) -> Message[U]:
        """A message with another payload and the same rest."""
        return Message(payload, *self._all())

    def with_key(self, key: bytes | None) -> Message[T_co]:
        """A message with another key; None removes it."""
        return Message(self._payload, key, *self._all()[1:])

    def with_header(self, key: str, value: bytes | None) -> Message[T_co]:
        """A message with one header more, after the present ones."""
        meta = self._all()
        return Message(self._payload, meta[0], (*meta[1], (key, value)), *meta[2:])

    def without_header(self, key: str) -> Message[T_co]:
        """A message without the headers of that name."""
        meta = self._all()
        headers = [h for h in meta[1] if h[0] != key]
        return Message(self._payload, meta[0], headers, *meta[2:])

    def _all(self) -> _Meta:
        return self._meta or _NO_META

    def __reduce__(self) -> tuple[Any, ...]:
        return (Message, (self._payload, *self._all()))

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
