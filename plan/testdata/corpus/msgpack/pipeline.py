"""MessagePack in and out; the files have its bytes as hexadecimal digits."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="msgpack")
    .apply(Map("unhex", function=steps.Unhex()))
    .apply(Parser[Reading]("parse", codec="msgpack"))
    .apply(Filter("hot", function=steps.IsHot()))
    .apply(Map("double", function=steps.Double()))
    .apply(Serializer("pack", codec="msgpack"))
    .apply(Map("hex", function=steps.Hex()))
    .sink(StreamSink("out", stream_name="out"))
)
