"""A route with a branch for what the Literal of its Python function has not."""

from functions import warmth
from levada import Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .route(
        "lead",
        warmth,
        {
            "hot": branch[Reading]("hot")
            .apply(Serializer("print_hot"))
            .sink(StreamSink("hot", stream_name="hot")),
            "could": branch[Reading]("could")
            .apply(Serializer("print_cold"))
            .sink(StreamSink("cold", stream_name="cold")),
        },
    )
)
