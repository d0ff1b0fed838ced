"""What a Go step yields goes through Avro, whose fields are in another order."""

from pathlib import Path

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Hot, Reading

HOT = Path(__file__).with_name("hot.avsc").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="avro")
    .apply(Parser[Reading]("parse"))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Serializer("pack", codec="avro", schema=HOT))
    .apply(Parser[Hot]("unpack", codec="avro", schema=HOT))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
