"""Batches of three, and what is left at the end, summed up in Go."""

from datetime import timedelta

import steps
from levada import Batch, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="batch_go")
    .apply(Parser[Reading]("parse"))
    .apply(Batch("gather", 3, timedelta(seconds=90), batch_bytes=1 << 20))
    .apply(Map("sum", function=steps.Sum()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
