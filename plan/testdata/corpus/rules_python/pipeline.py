"""What a step in Python makes is held against the rules where a step in Go takes it, and where it is written."""

import steps
from functions import add, discount
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Order

pipeline = (
    streaming_source("in", stream_name="in", pipeline="rules_python")
    .apply(Parser[Order]("parse"))
    .apply(Map("add", function=add))
    .apply(Map("take_one", function=steps.TakeOne()))
    .apply(Map("discount", function=discount))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
