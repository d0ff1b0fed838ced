"""What the pipeline calls."""

from __future__ import annotations

from decimal import Decimal

import levada
from levada import Message


class Price:
    """The twin of the Go type, by the text that both read and write."""

    def __init__(self, currency: str, amount: Decimal) -> None:
        self.currency = currency
        self.amount = amount


def to_go(price: Price) -> bytes:
    return f"{price.currency} {price.amount:.2f}".encode()


def from_go(text: bytes) -> Price:
    currency, amount = text.decode().split()
    return Price(currency, Decimal(amount))


levada.register(Price, to_go=to_go, from_go=from_go)


def doubled(msg: Message[Price]) -> Price:
    return Price(msg.payload.currency, msg.payload.amount * 2)


def cheap(msg: Message[bytes]) -> bool:
    return msg.payload.startswith(b"EUR 0.")
