"""The languages take turns over MessagePack."""

import steps
from functions import is_known, one_more
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="msgpack_hybrid")
    .apply(Map("unhex", function=steps.Unhex()))
    .apply(Parser[Reading]("parse", codec="msgpack"))
    .apply(Filter("known", function=is_known))
    .apply(Map("double", function=steps.Double()))
    .apply(Map("one_more", function=one_more))
    .apply(Serializer("pack", codec="msgpack"))
    .apply(Map("hex", function=steps.Hex()))
    .sink(StreamSink("out", stream_name="out"))
)
