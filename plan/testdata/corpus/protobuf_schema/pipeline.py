"""Protocol buffers between steps in Go whose structs are their own, by the text of a schema."""

from pathlib import Path

import functions
import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Hot, Reading

HOT = Path(__file__).with_name("hot.proto").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="protobuf_schema")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("named", function=functions.named))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Serializer("pack", codec="protobuf", schema=HOT))
    .apply(Parser[Hot]("unpack", codec="protobuf", schema=HOT))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
