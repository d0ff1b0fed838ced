"""The languages take turns."""

import steps
from functions import is_known, one_more
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="sandwich")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("known", function=is_known))
    .apply(Map("double", function=steps.Double()))
    .apply(Map("one_more", function=one_more))
    .apply(Filter("hot", function=steps.IsHot()))
    .apply(Map("one_more_again", function=one_more))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
