"""Python sets key and header behind Go, and Go reads them."""

import steps
from functions import key_by_id
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="message_python")
    .apply(Parser[Reading]("parse"))
    .apply(Map("key", function=steps.KeyByKind()))
    .apply(Map("key_by_id", function=key_by_id))
    .apply(Map("describe", function=steps.Describe()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
