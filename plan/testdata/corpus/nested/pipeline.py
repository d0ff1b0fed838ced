"""A route in a broadcast, a batch in the route, a flat map behind it."""

import steps
from levada import Batch, FlatMap, Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="nested")
    .apply(Parser[Reading]("parse"))
    .broadcast(
        "fan",
        [
            branch[Reading]("tags")
            .apply(FlatMap("each_tag", function=steps.Tags()))
            .apply(Serializer("print_tags"))
            .sink(StreamSink("tags_out", stream_name="tags")),
            branch[Reading]("by_heat").route(
                "heat",
                steps.IsHot(),
                {
                    True: branch[Reading]("true")
                    .apply(Batch("pairs", 2))
                    .apply(Map("sum", function=steps.Sum()))
                    .apply(Serializer("print_sums"))
                    .sink(StreamSink("sums", stream_name="sums")),
                    False: branch[Reading]("false")
                    .apply(Serializer("print_cold"))
                    .sink(StreamSink("nothing", stream_name="cold", connector="devnull")),
                },
            ),
        ],
    )
)
