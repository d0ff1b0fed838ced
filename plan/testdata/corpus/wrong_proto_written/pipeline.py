"""A schema of protocol buffers that lacks a member of the type."""

from pathlib import Path

from levada import Parser, Serializer, StreamSink, streaming_source
from steps.types import Hot

HOT = Path(__file__).with_name("hot.proto").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Hot]("parse"))
    .apply(Serializer("pack", codec="protobuf", schema=HOT, message="corpus.Hot"))
    .sink(StreamSink("out", stream_name="out"))
)
