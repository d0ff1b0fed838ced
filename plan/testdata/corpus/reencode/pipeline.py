"""A parse and a serialize, and nothing that reads a member."""

from levada import Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="reencode")
    .apply(Parser[Reading]("parse"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
