"""A type of the team's own between Go and Python, in the form that it has itself."""

import steps
from functions import cheap, doubled
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_custom")
    .apply(Parser[Reading]("parse"))
    .apply(Map("price", function=steps.PriceOf(), crossing="custom"))
    .apply(Filter("cheap", function=cheap, on_error="skip"))
    .apply(Map("doubled", function=doubled, crossing="custom"))
    .apply(Map("rounded", function=steps.Rounded()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
