"""A batch without a limit."""

from levada import Batch, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Batch("gather", None, None))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
