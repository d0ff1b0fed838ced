"""A sink takes bytes: the serializer is missing."""

from levada import Parser, StreamSink, branch, streaming_source
from metric_steps.types import IngestMetric

parsed = streaming_source("in", "in").apply(Parser[IngestMetric]("parse"))
parsed.sink(StreamSink("out", "out"))  # error
branch[IngestMetric]("b").sink(StreamSink("out", "out"))  # error
