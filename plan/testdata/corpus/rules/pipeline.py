"""What breaks a rule fails where it is read, or where it is written, and goes to the dead letters."""

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Order

pipeline = (
    streaming_source("in", stream_name="in", pipeline="rules")
    .apply(Parser[Order]("parse"))
    .apply(Map("take_one", function=steps.TakeOne()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
