"""A schema of Avro that has no field for a member."""

from pathlib import Path

from levada import Parser, Serializer, StreamSink, streaming_source
from steps.types import Hot

HOT = Path(__file__).with_name("hot.avsc").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Hot]("parse"))
    .apply(Serializer("pack", codec="avro", schema=HOT))
    .sink(StreamSink("out", stream_name="out"))
)
