"""A retry that would sit out an outage."""

from datetime import timedelta

import steps
from levada import Filter, Parser, Retry, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source(
        "in", stream_name="in", pipeline="wrong", retry=Retry(3, timedelta(minutes=2))
    )
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=steps.IsHot()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
