"""A Python pipeline whose steps are all in Go."""

import metric_steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from metric_steps.types import IngestMetric

pipeline = (
    streaming_source("in", stream_name="bench-in")
    .apply(Parser[IngestMetric]("parse"))
    .apply(Map("transform", function=metric_steps.Transform()))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="bench-out"))
)
