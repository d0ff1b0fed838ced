"""Types as ``levada gen --from-python`` asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypedDict

import pytest

from levada._describe import _main, describe


class Line(TypedDict):
    qty: int


class Order(TypedDict):
    """An order."""

    lines: list[Line]


@dataclass
class Address:
    street: str


class Card(TypedDict):
    kind: Literal["card"]


class Cash(TypedDict):
    change: list[Card | Cash]


Payment = Card | Cash


class Paid(TypedDict):
    by: Payment | None


def test_unions_come_with_the_names_that_python_has_for_them() -> None:
    module = __name__
    union = f"union[py:{module}:Card, py:{module}:Cash]"
    got = describe([f"{module}:Paid"])
    assert got["unions"] == {union: "Payment"}
    field = got["types"][f"py:{module}:Paid"]["fields"][0]["type"]
    assert field["kind"] == "union" and field["nullable"] is True
    assert describe([f"{module}:Payment"])["roots"] == [union]


def test_types_come_with_all_they_refer_to_and_their_docs() -> None:
    module = __name__
    got = describe([f"{module}:Order", f"{module}:Address"])
    assert got["roots"] == [f"py:{module}:Order", f"py:{module}:Address"]
    assert sorted(got["types"]) == [f"py:{module}:{n}" for n in ("Address", "Line", "Order")]
    assert got["docs"] == {f"py:{module}:Order": "An order."}


def test_a_name_that_leads_nowhere_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert _main(["json:Nothing"]) == 78
    assert capsys.readouterr() == (
        "",
        'levada: json:Nothing: expected a type in json, found no "Nothing"\n',
    )
