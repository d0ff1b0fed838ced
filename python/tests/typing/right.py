"""Right pipelines: no type checker may complain about any line of this file, and what
it infers is what assert_type says."""

from collections.abc import Iterator
from datetime import timedelta
from enum import Enum
from typing import Any, Literal, TypedDict, assert_type

import metric_steps
from levada import (
    Batch,
    Branch,
    Filter,
    FlatMap,
    Map,
    Message,
    Parser,
    Pipeline,
    Retry,
    Serializer,
    Stream,
    StreamSink,
    branch,
    run,
    streaming_source,
)
from metric_steps.types import IngestMetric, MetricType, TransformedMetric


class Word(TypedDict):
    word: str
    n: int


class Bucket(TypedDict):
    at: float
    count: int


class Histogram(TypedDict):
    name: str
    type: Literal["d"]
    tags: dict[str, str]
    buckets: list[Bucket]


class Level(Enum):
    LOW = "low"
    HIGH = "high"


def is_counter(msg: Message[IngestMetric]) -> bool:
    return msg.payload["type"] == "c"


def has_type(msg: Message[MetricType]) -> bool:
    return bool(msg.payload["type"])


def transform(msg: Message[IngestMetric]) -> TransformedMetric:
    return {**msg.payload, "transformed": True}


def keyed(msg: Message[IngestMetric]) -> Message[IngestMetric]:
    return msg.with_key(msg.payload["name"].encode()).with_header("h", None)


def words(msg: Message[IngestMetric]) -> list[Word]:
    return [{"word": w, "n": len(w)} for w in msg.payload["name"].split()]


def letters(msg: Message[Word]) -> Iterator[str]:
    yield from msg.payload["word"]


def level(msg: Message[Word]) -> Level:
    return Level.HIGH if msg.payload["n"] > 3 else Level.LOW


def total(msg: Message[list[Word]]) -> int:
    return sum(w["n"] for w in msg.payload)


def anything(msg: Message[Any]) -> str:
    return str(msg.payload)


raw = streaming_source("ingest", stream_name="ingest-metrics")
assert_type(raw, Stream[bytes])

parsed = raw.apply(Parser[IngestMetric]("parse"))
assert_type(parsed, Stream[IngestMetric])

# Filters keep the type, whatever part of it they read.
assert_type(parsed.apply(Filter("f", function=is_counter)), Stream[IngestMetric])
assert_type(parsed.apply(Filter("f", has_type)), Stream[IngestMetric])
assert_type(parsed.apply(Filter("f", lambda m: m.payload["org_id"] > 1)), Stream[IngestMetric])
assert_type(parsed.apply(Filter("f", metric_steps.IsCounter())), Stream[IngestMetric])
assert_type(parsed.apply(Filter("f", metric_steps.IsCounter)), Stream[IngestMetric])
assert_type(parsed.apply(Filter("f", metric_steps.Threshold(limit=3.5))), Stream[IngestMetric])
assert_type(parsed.apply(Filter("f", "metric_steps.IsCounter")), Stream[IngestMetric])

# What Go only reads may be there always, be narrower, and have more members at every depth.
histograms = raw.apply(Parser[Histogram]("parse"))
assert_type(histograms.apply(Filter("f", metric_steps.IsDense())), Stream[Histogram])

# A map is what its function returns, or the payload of the message that it returns.
assert_type(parsed.apply(Map("m", function=transform)), Stream[TransformedMetric])
assert_type(parsed.apply(Map("m", keyed)), Stream[IngestMetric])
assert_type(parsed.apply(Map("m", metric_steps.Transform())), Stream[TransformedMetric])
assert_type(parsed.apply(Map("m", metric_steps.Transform)), Stream[TransformedMetric])
assert_type(parsed.apply(Map("m", metric_steps.Keyed())), Stream[IngestMetric])
assert_type(parsed.apply(Map("m", metric_steps.Keyed)), Stream[IngestMetric])
assert_type(parsed.apply(Map("m", "metric_steps.Transform")), Stream[Any])
assert_type(parsed.apply(Map("m", lambda m: m.payload["org_id"])), Stream[int])
assert_type(parsed.apply(Map("m", lambda m: m.with_key(None))), Stream[IngestMetric])
assert_type(parsed.apply(Map("m", anything)), Stream[str])

# A flat map is what its result yields.
flat = parsed.apply(FlatMap("words", words))
assert_type(flat, Stream[Word])
assert_type(flat.apply(FlatMap("letters", letters)), Stream[str])
assert_type(parsed.apply(FlatMap("w", lambda m: m.payload["name"].split())), Stream[str])
assert_type(parsed.apply(FlatMap("split", "metric_steps.Split")), Stream[Any])
assert_type(parsed.apply(FlatMap("split", metric_steps.Split())), Stream[MetricType])
assert_type(parsed.apply(FlatMap("split", metric_steps.Split)), Stream[MetricType])
assert_type(parsed.apply(FlatMap("each", metric_steps.Each())), Stream[MetricType])

# A batch is a list.
assert_type(flat.apply(Batch("batch", 100)), Stream[list[Word]])
assert_type(flat.apply(Batch("batch", batch_timedelta=timedelta(seconds=1))), Stream[list[Word]])
assert_type(flat.apply(Batch("batch", 100)).apply(Map("total", total)), Stream[int])

# Other payloads.
assert_type(raw.apply(Parser[int]("n")), Stream[int])
assert_type(raw.apply(Parser[list[str]]("n")), Stream[list[str]])
assert_type(raw.apply(Parser[Any]("n")), Stream[Any])
assert_type(raw.apply(Parser("n")), Stream[Any])
assert_type(raw.apply(Parser[bytes]("n", codec="raw")), Stream[bytes])

pipeline = (
    streaming_source(
        "ingest", "ingest-metrics", pipeline="metrics", on_error="dead_letter", retry=Retry(1)
    )
    .apply(Parser[IngestMetric]("parse"))
    .apply(Filter("counters", function=is_counter, on_error="skip"))
    .apply(Map("transform", function=metric_steps.Transform(), retry=Retry(3), crossing="json"))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="transformed-metrics"))
)
assert_type(pipeline, Pipeline)

bytes_through = raw.sink(StreamSink("out", "copy"))
assert_type(bytes_through, Pipeline)

# Branches take what they say, or anything where they say nothing.
low = branch[Word]("low").apply(Serializer("s_low")).sink(StreamSink("low", "low"))
assert_type(low, Branch[Word])
high = (
    branch[Word]("high")
    .apply(Batch("b", 10))
    .apply(Map("sum", total))
    .apply(Serializer("s_high"))
    .sink(StreamSink("high", "high"))
)
assert_type(high, Branch[Word])
rest = branch("rest").apply(Serializer("s_rest")).sink(StreamSink("rest", "rest"))

routed = flat.route("by_level", level, {Level.LOW: low, Level.HIGH: high}, otherwise=rest)
assert_type(routed, Pipeline)
by_name = flat.route("by_word", lambda m: m.payload["word"], cases={"a": low}, otherwise=rest)
by_go = parsed.route("by_kind", metric_steps.Kind(), cases={"c": rest})
by_class = parsed.route("by_kind", metric_steps.Kind, cases={"c": rest})
by_text = parsed.route("by_kind", "metric_steps.Kind", cases={"c": rest})
assert_type(flat.broadcast("all", routes=[low, high, rest]), Pipeline)
nested = branch[Word]("nested").broadcast("both", [low, high])
assert_type(nested, Branch[Word])

# Steps and streams can be kept apart from each other.
step = Map("transform", transform)
assert_type(step, Map[IngestMetric, TransformedMetric])
assert_type(Map("keyed", keyed), Map[IngestMetric, IngestMetric])
assert_type(parsed.apply(step), Stream[TransformedMetric])

# Functions are ordinary callables, and messages ordinary values.
message = Message({"type": "c"}, key=b"k", headers=[("a", b"1"), ("b", None)], timestamp=1.5)
go: bool = metric_steps.Threshold()(Message(MetricType(type="c")))
outs: list[TransformedMetric] = metric_steps.Transform().call_batch(
    [Message(IngestMetric(org_id=1, name="n", type="c"))]
)
assert_type(message.with_payload(3), Message[int])
metadata: tuple[bytes | None, list[tuple[str, bytes | None]], float | None, str, int, int] = (
    message.key,
    message.headers,
    message.timestamp,
    message.topic,
    message.partition,
    message.offset,
)
narrower: Message[object] = message

if __name__ == "__main__":
    raise SystemExit(run(pipeline, config="deployment.yaml", drain=True))
