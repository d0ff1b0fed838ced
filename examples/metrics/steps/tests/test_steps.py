"""The Go steps as ordinary Python callables: no runtime, no broker."""

import json
from pathlib import Path
from typing import cast

import pytest

import metric_steps
from levada import Message
from metric_steps.types import IngestMetric

RECORDS = Path(__file__).parents[2] / "metrics.jsonl"


def metric(**members: object) -> Message[IngestMetric]:
    payload = {
        "org_id": 1,
        "project_id": 2,
        "name": "c:shop/items@none",
        "tags": {"b": "1", "a": "2"},
        "timestamp": 1700000000,
        "retention_days": 90,
        "type": "c",
        "value": 2.5,
    }
    return Message(cast(IngestMetric, {**payload, **members}))


def test_transform_is_what_it_was_in_python() -> None:
    records = [json.loads(line) for line in RECORDS.read_text("utf-8").splitlines()]
    assert len(records) > 10
    got = metric_steps.Transform().call_batch([Message(r) for r in records])
    assert got == [{**r, "transformed": True} for r in records]
    # Members come in the order of the Go struct.
    assert list(got[0]) == [*records[0], "transformed"]


def test_is_counter() -> None:
    assert metric_steps.IsCounter()(metric()) is True
    assert metric_steps.IsCounter()(metric(type="d")) is False


def test_threshold() -> None:
    values = [metric(value=v) for v in (1, 2.5, 2.6, 10**15)]
    assert metric_steps.Threshold(limit=2.5).call_batch(values) == [False, False, True, True]
    assert metric_steps.Threshold()(metric(value=0.1)) is True


def test_threshold_of_what_is_no_number() -> None:
    with pytest.raises(Exception, match="expected a number as the value of c:shop/items@none"):
        metric_steps.Threshold(limit=1)(metric(value="many"))


@pytest.mark.parametrize("limit", ["high", None, True])
def test_a_wrong_limit_is_told_at_once(limit: object) -> None:
    with pytest.raises(ValueError, match="limit"):
        metric_steps.Threshold(limit=limit)  # type: ignore[arg-type]


def test_split_tags() -> None:
    got = metric_steps.SplitTags()(metric())
    assert [(s["tag"], s["value"]) for s in got] == [("a", "2"), ("b", "1")]
    assert metric_steps.SplitTags()(metric(tags={})) == []


def test_kind() -> None:
    assert metric_steps.Kind()(metric(type="s")) == "s"


def test_key_by_org() -> None:
    message = Message(metric(org_id=42).payload, key=b"old", headers=[("h", b"v")])
    got = metric_steps.KeyByOrg()(message)
    assert (got.key, got.headers, got.payload) == (b"42", [("h", b"v")], message.payload)


def test_what_does_not_fit_is_told_with_its_path() -> None:
    with pytest.raises(Exception, match=r"\$\.tags\.a"):
        metric_steps.IsCounter()(metric(tags={"a": 1}))
    with pytest.raises(Exception, match=r"\$\.retention_days"):
        metric_steps.IsCounter()(metric(retention_days=1 << 16))
