"""Values that encoding/json/v2 reads and writes, with a step in Python between; and behind
the number of a schema."""

import steps
from functions import one_more
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="std_python")
    .apply(Parser[Reading]("parse", strict=True, std=True))
    .apply(Map("one_more", function=one_more))
    .apply(Filter("warm", function=steps.IsWarm()))
    .apply(Serializer("number", std=True, prefix="confluent", schema_id=7))
    .apply(Parser[Reading]("by_number", std=True, prefix="confluent", schema_id=7))
    .apply(Serializer("print", std=True))
    .sink(StreamSink("out", stream_name="out"))
)
