"""Batches of two, counted in Python, between steps in Go and Python."""

import steps
from functions import count, rounded
from levada import Batch, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="batch_python")
    .apply(Parser[Reading]("parse"))
    .apply(Map("double", function=steps.Double()))
    .apply(Map("round", function=rounded))
    .apply(Batch("gather", batch_size=2, batch_timedelta=None))
    .apply(Map("count", function=count))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
