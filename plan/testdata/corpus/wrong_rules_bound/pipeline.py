"""A bound that the rules of what stands before can not reach."""

import steps
from levada import Filter, Parser, Serializer, StreamSink, streaming_source
from steps.types import Order

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Order]("parse"))
    .apply(Filter("look", function=steps.IsReturn()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
