"""A record that is one of several types through Avro, whose branches stand in another order."""

from pathlib import Path

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Figure

FIGURE = Path(__file__).with_name("figure.avsc").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="avro_union")
    .apply(Parser[Figure]("parse"))
    .apply(Serializer("pack", codec="avro", schema=FIGURE))
    .apply(Parser[Figure]("unpack", codec="avro", schema=FIGURE))
    .apply(Map("grow", function=steps.Grow()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
