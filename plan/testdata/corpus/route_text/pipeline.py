"""By a text, with a branch for the rest."""

import steps
from levada import Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="route_text")
    .apply(Parser[Reading]("parse"))
    .route(
        "by_kind",
        steps.Kind(),
        {
            "temperature": branch[Reading]("temperature")
            .apply(Map("to_hot", function=steps.ToHot()))
            .apply(Serializer("print_hot"))
            .sink(StreamSink("temperatures", stream_name="temperatures")),
            "humidity": branch[Reading]("humidity")
            .apply(Serializer("print_humidity"))
            .sink(StreamSink("humidities", stream_name="humidities")),
        },
        branch[Reading]("otherwise")
        .apply(Serializer("print_rest"))
        .sink(StreamSink("rest", stream_name="rest")),
    )
)
