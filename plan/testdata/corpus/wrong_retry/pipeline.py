"""A retry where nothing can come out differently."""

from datetime import timedelta

import steps
from levada import Filter, Parser, Retry, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse", retry=Retry(3, timedelta(seconds=1))))
    .apply(Filter("hot", function=steps.IsHot()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out", retry=Retry(3, timedelta(seconds=1))))
)
