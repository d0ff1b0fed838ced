"""A record that is one of several dataclasses."""

from functions import Payment, is_not_free, masked
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="union_dataclasses_python")
    .apply(Parser[Payment]("parse"))
    .apply(Filter("not_free", function=is_not_free))
    .apply(Map("masked", function=masked))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
