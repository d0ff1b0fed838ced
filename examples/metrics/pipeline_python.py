"""Counters of the ingest-metrics topic, marked as transformed: every step in Python."""

from typing import Any, TypedDict

from levada import Filter, Map, Message, Parser, Serializer, StreamSink, streaming_source


class IngestMetric(TypedDict):
    org_id: int
    project_id: int
    name: str
    tags: dict[str, str]
    timestamp: int
    retention_days: int
    type: str
    value: Any


class TransformedMetric(IngestMetric):
    transformed: bool


def is_counter(msg: Message[IngestMetric]) -> bool:
    return msg.payload["type"] == "c"


def transform(msg: Message[IngestMetric]) -> TransformedMetric:
    return {**msg.payload, "transformed": True}


pipeline = (
    streaming_source("ingest", stream_name="ingest-metrics", pipeline="metrics")
    .apply(Parser[IngestMetric]("parse"))
    .apply(Filter("counters", function=is_counter))
    .apply(Map("transform", function=transform))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="transformed-metrics"))
)
