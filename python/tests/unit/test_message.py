"""Messages are values."""

from __future__ import annotations

import copy
import pickle
from types import SimpleNamespace
from typing import Any

import pytest

from levada import Message

FULL = Message(
    {"a": 1},
    key=b"k",
    headers=[("h", b"1"), ("n", None), ("h", b"2")],
    timestamp=1700000000.25,
    topic="t",
    partition=3,
    offset=2**40,
)


def test_attributes() -> None:
    assert FULL.payload == {"a": 1}
    assert FULL.key == b"k"
    assert FULL.headers == [("h", b"1"), ("n", None), ("h", b"2")]
    assert FULL.timestamp == 1700000000.25
    assert (FULL.topic, FULL.partition, FULL.offset) == ("t", 3, 2**40)


def test_defaults() -> None:
    m = Message(1)
    assert (m.key, m.headers, m.timestamp, m.topic, m.partition, m.offset) == (
        None,
        [],
        None,
        "",
        0,
        0,
    )


def test_with() -> None:
    before = pickle.dumps(FULL)
    assert FULL.with_payload(3).payload == 3
    assert FULL.with_payload(3).with_payload({"a": 1}) == FULL
    assert FULL.with_key(None).key is None
    assert FULL.with_header("x", b"").headers[-1] == ("x", b"")
    assert FULL.with_header("h", b"3").headers == [*FULL.headers, ("h", b"3")]
    assert FULL.without_header("h").headers == [("n", None)]
    assert FULL.without_header("none") == FULL
    for changed in (FULL.with_payload(3), FULL.with_key(b""), FULL.with_header("x", None)):
        assert (changed.timestamp, changed.topic, changed.partition, changed.offset) == (
            FULL.timestamp, FULL.topic, FULL.partition, FULL.offset,
        )  # fmt: skip
    assert pickle.dumps(FULL) == before


def test_headers_are_a_copy() -> None:
    FULL.headers.append(("x", b"y"))
    assert len(FULL.headers) == 3


@pytest.mark.parametrize(
    "name", ["payload", "key", "headers", "timestamp", "topic", "partition", "offset", "other"]
)
def test_nothing_can_be_set(name: str) -> None:
    with pytest.raises(AttributeError):
        setattr(FULL, name, None)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickle(protocol: int) -> None:
    assert pickle.loads(pickle.dumps(FULL, protocol)) == FULL


def test_copy() -> None:
    deep = copy.deepcopy(FULL)
    assert deep == FULL and deep.payload is not FULL.payload


def test_equality() -> None:
    assert Message(1) == Message(1)
    assert Message(1) != Message(2)
    assert Message(1) != Message(1, offset=1)
    assert Message(1) != 1
    names = ("payload", "key", "headers", "timestamp", "topic", "partition", "offset")
    other: Any = SimpleNamespace(**{n: getattr(FULL, n) for n in names})
    assert other == FULL  # the message of a running pipeline is of another class
    with pytest.raises(TypeError, match="unhashable"):
        hash(FULL)


def test_repr() -> None:
    assert repr(Message(1)) == "Message(1)"
    assert repr(Message("a", key=b"k", offset=2)) == "Message('a', key=b'k', offset=2)"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Message(1, key="k"), "message key: expected bytes or None, got str"),
        (lambda: Message(1).with_key(3), "message key: expected bytes or None, got int"),
        (
            lambda: Message(1, headers=[("h", "v")]),
            r"expected \(str, bytes or None\), got \('h', 'v'\)",
        ),
        (lambda: Message(1, headers=["hv"]), "message header: expected"),
        (lambda: Message(1).with_header(b"h", b"v"), "message header: expected"),
    ],
)
def test_mistakes(make: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        make()
