"""A schema of protocol buffers that says something else than the type."""

from pathlib import Path

from levada import Parser, Serializer, StreamSink, streaming_source
from steps.types import Hot

HOT = Path(__file__).with_name("hot.proto").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Hot]("unpack", codec="protobuf", schema=HOT))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
