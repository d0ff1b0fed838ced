"""Two steps in Go behind two in Python, which cross once."""

import steps
from functions import half, is_reading
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="python_then_go")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("readings", function=is_reading))
    .apply(Map("half", function=half))
    .apply(Map("double", function=steps.Double()))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
