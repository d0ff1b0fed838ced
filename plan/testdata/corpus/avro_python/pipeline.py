"""Avro for steps in Python, with a type and without."""

from pathlib import Path

import functions
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Hot, Reading

HOT = Path(__file__).with_name("hot.avsc").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="avro_python")
    .apply(Parser[Reading]("parse"))
    .apply(Map("to_hot", function=functions.to_hot))
    .apply(Serializer("pack", codec="avro", schema=HOT))
    .apply(Parser[Hot]("unpack", codec="avro", schema=HOT))
    .apply(Map("same", function=functions.same))
    .apply(Serializer("pack_again", codec="avro", schema=HOT))
    .apply(Parser("unpack_again", codec="avro", schema=HOT))
    .apply(Map("whatever", function=functions.whatever))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
