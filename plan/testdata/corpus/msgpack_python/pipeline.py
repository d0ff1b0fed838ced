"""MessagePack for steps in Python, with a type and without."""

from functions import blobs, is_hot, to_hex, to_hot, unhex
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="msgpack_python")
    .apply(Map("unhex", function=unhex))
    .apply(Parser[Reading]("parse", codec="msgpack"))
    .apply(Filter("hot", function=is_hot))
    .apply(Map("to_hot", function=to_hot))
    .apply(Serializer("pack", codec="msgpack"))
    .apply(Parser("unpack", codec="msgpack"))
    .apply(Map("blobs", function=blobs))
    .apply(Serializer("pack_again", codec="msgpack"))
    .apply(Map("hex", function=to_hex))
    .sink(StreamSink("out", stream_name="out"))
)
