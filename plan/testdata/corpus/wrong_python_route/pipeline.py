"""A route by a Python function that returns a number with a fraction."""

from functions import value
from levada import Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .route(
        "lead",
        value,
        {
            "hot": branch[Reading]("hot")
            .apply(Serializer("print_hot"))
            .sink(StreamSink("hot", stream_name="hot")),
            "cold": branch[Reading]("cold")
            .apply(Serializer("print_cold"))
            .sink(StreamSink("cold", stream_name="cold")),
        },
    )
)
