"""Counters of the ingest-metrics topic, marked as transformed: the transform in Go."""

import metric_steps
from levada import Filter, Map, Message, Parser, Serializer, StreamSink, streaming_source
from metric_steps.types import IngestMetric


def is_counter(msg: Message[IngestMetric]) -> bool:
    return msg.payload["type"] == "c"


pipeline = (
    streaming_source("ingest", stream_name="ingest-metrics", pipeline="metrics")
    .apply(Parser[IngestMetric]("parse"))
    .apply(Filter("counters", function=is_counter))
    .apply(Map("transform", function=metric_steps.Transform()))  # was: function=transform
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="transformed-metrics"))
)
