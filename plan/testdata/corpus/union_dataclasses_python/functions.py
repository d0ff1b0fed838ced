"""What the pipeline calls."""

from dataclasses import dataclass, field
from typing import Literal

from levada import Message


@dataclass
class Card:
    number: str
    kind: Literal["card"] = "card"


@dataclass
class Voucher:
    code: int
    for_whom: str | None = None


@dataclass
class Split:
    parts: list["Payment"]
    notes: dict[str, str | list[int]] = field(default_factory=dict)
    kind: Literal["split"] = "split"


Payment = Card | Voucher | Split | int


def masked(msg: Message[Payment]) -> Payment:
    return mask(msg.payload)


def mask(payment: Payment) -> Payment:
    match payment:
        case Card(number):
            return Card("*" * (len(number) - 2) + number[-2:])
        case Split(parts, notes):
            return Split([mask(p) for p in parts], {**notes, "parts": [len(parts)]})
        case Voucher(code):
            return Voucher(code, "masked")
    return -payment


def is_not_free(msg: Message[Payment]) -> bool:
    return msg.payload != 0
