"""Dead letters that have nowhere to go in the deployment beside it."""

import steps
from levada import Filter, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong", on_error="dead_letter")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot(), on_error="dead_letter"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
