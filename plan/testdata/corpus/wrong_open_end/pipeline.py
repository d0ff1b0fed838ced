"""A branch that leads nowhere."""

import steps
from levada import Filter, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .route(
        "by_kind",
        steps.Kind(),
        {
            "a": branch[Reading]("a")
            .apply(Serializer("print"))
            .sink(StreamSink("out", stream_name="out")),
            "b": branch[Reading]("b").apply(Filter("hot", function=steps.IsHot())),
        },
        branch[Reading]("otherwise"),
    )
)
