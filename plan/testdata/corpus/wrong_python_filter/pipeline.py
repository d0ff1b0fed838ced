"""A filter by a Python function that returns text."""

from functions import kind
from levada import Filter, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("keep", function=kind))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
