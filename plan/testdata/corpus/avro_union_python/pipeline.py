"""A record that is one of several types from Avro into a step in Python, and from there back."""

from pathlib import Path

from functions import boxed, plain
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Figure

FIGURE = Path(__file__).with_name("figure.avsc").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="avro_union_python")
    .apply(Parser[Figure]("parse"))
    .apply(Map("plain", function=plain))
    .apply(Serializer("pack", codec="avro", schema=FIGURE))
    .apply(Parser[Figure]("unpack", codec="avro", schema=FIGURE))
    .apply(Map("boxed", function=boxed))
    .apply(Serializer("pack_again", codec="avro", schema=FIGURE))
    .apply(Parser[Figure]("unpack_again", codec="avro", schema=FIGURE))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
