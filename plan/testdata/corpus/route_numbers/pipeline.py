"""By a number, then by a boolean."""

import steps
from levada import Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="route_numbers")
    .apply(Parser[Reading]("parse"))
    .route(
        "by_level",
        steps.Level,
        {
            1: branch[Reading]("1")
            .apply(Serializer("print_ones"))
            .sink(StreamSink("ones", stream_name="ones")),
            -2: branch[Reading]("-2")
            .apply(Serializer("print_minus_twos"))
            .sink(StreamSink("minus_twos", stream_name="minus_twos")),
        },
        branch[Reading]("otherwise").route(
            "by_heat",
            steps.IsHot,
            {
                True: branch[Reading]("true")
                .apply(Serializer("print_hot"))
                .sink(StreamSink("hot", stream_name="hot")),
                False: branch[Reading]("false")
                .apply(Serializer("print_cold"))
                .sink(StreamSink("cold", stream_name="cold")),
            },
        ),
    )
)
