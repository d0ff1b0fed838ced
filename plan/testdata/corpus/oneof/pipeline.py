"""Messages with members that exclude each other, and with maps whose keys are no text, through Go steps."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Bill

pipeline = (
    streaming_source("in", stream_name="in", pipeline="oneof")
    .apply(Parser[Bill]("parse"))
    .apply(Serializer("pack", codec="protobuf"))
    .apply(Parser[Bill]("unpack", codec="protobuf"))
    .apply(Filter("paid", function=steps.IsPaid()))
    .apply(Map("in_cash", function=steps.InCash()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
