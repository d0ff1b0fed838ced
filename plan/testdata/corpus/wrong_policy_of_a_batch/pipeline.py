"""Policies where nothing can fail."""

import steps
from levada import Batch, Map, Parser, Retry, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Batch("gather", 2, on_error="skip"))
    .broadcast(
        "both",
        [
            branch("sum")
            .apply(Map("sum", function=steps.Sum()))
            .apply(Serializer("print"))
            .sink(StreamSink("out", stream_name="out"))
        ],
        on_error="fail",
        retry=Retry(1),
    )
)
