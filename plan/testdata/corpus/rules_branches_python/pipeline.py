"""What crosses into one branch in Go only, and what a branch in Python is not asked for: the rules count where the step in Go takes it."""

import steps
from functions import add, count
from levada import Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Order

pipeline = (
    streaming_source("in", stream_name="in", pipeline="rules_branches_python")
    .apply(Parser[Order]("parse"))
    .apply(Map("add", function=add))
    .broadcast(
        "each",
        [
            branch[Order]("go")
            .apply(Map("take_one", function=steps.TakeOne()))
            .apply(Serializer("print"))
            .sink(StreamSink("out", stream_name="out")),
            branch[Order]("python")
            .apply(Map("count", function=count))
            .apply(Serializer("print_count"))
            .sink(StreamSink("counts", stream_name="counts")),
        ],
    )
)
