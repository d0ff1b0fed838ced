"""Messages with members that exclude each other, and with maps whose keys are no text, through steps in both languages."""

import functions
import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Bill

pipeline = (
    streaming_source("in", stream_name="in", pipeline="oneof_python")
    .apply(Parser[Bill]("parse"))
    .apply(Serializer("pack", codec="protobuf"))
    .apply(Parser[Bill]("unpack", codec="protobuf"))
    .apply(Filter("paid", function=functions.paid))
    .apply(Map("give", function=functions.give))
    .apply(Map("in_cash", function=steps.InCash()))
    .apply(Serializer("pack_again", codec="protobuf"))
    .apply(Parser[Bill]("unpack_again", codec="protobuf"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
