"""What the pipeline calls."""

from __future__ import annotations

from levada import Message


class Sealed:
    """A message as a generated class is used: of it only the bytes are known."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @classmethod
    def FromString(cls, data: bytes) -> Sealed:
        return cls(data)

    def SerializeToString(self) -> bytes:
        return self.data


def of_ada(msg: Message[bytes]) -> bool:
    return b"ada" in msg.payload


def of_eve(msg: Message[Sealed]) -> Sealed:
    # Of a field that comes twice the last one counts: the first is the user.
    return Sealed(msg.payload.data + b"\x0a\x03eve")
