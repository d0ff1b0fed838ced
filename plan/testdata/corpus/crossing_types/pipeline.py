"""Every type through Python steps as JSON text."""

import steps
from functions import has_values, same
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Everything

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_types")
    .apply(Parser[Everything]("parse"))
    .apply(Map("same", function=same, crossing="json"))
    .apply(Map("touch", function=steps.Touch()))
    .apply(Filter("values", function=has_values, crossing="json"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
