"""The pipelines of the bench of conversions: ``RECORD.WORD``, and ``RECORD.WORD.without`` for
the same with no step in Python. Named by an environment variable."""

from __future__ import annotations

import json
import os
from typing import Any

import bench_steps
import levada
from levada import Map, Message, Parser, Pipeline, Serializer, StreamSink, streaming_source


class Own(dict[str, Any]):
    """A record that crosses as the team's own pair of functions has it."""


def to_go(record: Own) -> bytes:
    return json.dumps(record).encode()


def from_go(text: bytes) -> Own:
    return Own(json.loads(text))


levada.register(Own, to_go=to_go, from_go=from_go)


def same(message: Message[Any]) -> Any:
    return message.payload


def same_own(message: Message[Own]) -> Own:
    return message.payload


def same_bytes(message: Message[bytes]) -> bytes:
    return message.payload


STEPS: dict[tuple[str, str], tuple[Any, Any]] = {
    ("metric", "custom"): (bench_steps.types.OwnMetric, bench_steps.TransformOwn),
    ("span", "custom"): (bench_steps.types.OwnSpan, bench_steps.TouchOwn),
    ("metric", "protobuf"): (bench_steps.types.Metric, bench_steps.TransformMessage),
    ("span", "protobuf"): (bench_steps.types.Span, bench_steps.TouchMessage),
    ("metric", ""): (bench_steps.types.Metric, bench_steps.Transform),
    ("span", ""): (bench_steps.types.Span, bench_steps.TouchSpan),
}
MESSAGES = {"metric": bench_steps.MessageOfMetric, "span": bench_steps.MessageOfSpan}


def made(record: str, word: str, without: bool) -> Pipeline:
    source = streaming_source("in", stream_name="in")
    sink = StreamSink("out", stream_name="out")
    if word == "raw":
        # Nothing is parsed; the step in Go beside it is one that looks at nothing.
        stream = source.apply(Map("before", function=bench_steps.Pass()))
        if not without:
            stream = stream.apply(Map("python", function=same_bytes, crossing="raw"))
        return stream.apply(Map("behind", function=bench_steps.Pass())).sink(sink)
    own, step = STEPS.get((record, word), STEPS[record, ""])
    stream: Any = source.apply(Parser[own]("parse"))
    if word == "protobuf":
        stream = stream.apply(Map("message", function=MESSAGES[record]()))
    stream = stream.apply(Map("before", function=step()))
    if not without:
        function: Any = {"custom": same_own, "protobuf": same_bytes}.get(word, same)
        crossing: Any = word
        stream = stream.apply(Map("python", function=function, crossing=crossing))
    stream = stream.apply(Map("behind", function=step()))
    return stream.apply(Serializer("serialize")).sink(sink)


_record, _word, *_without = os.environ["BENCH_PIPELINE"].split(".")
pipeline = made(_record, _word, bool(_without))
