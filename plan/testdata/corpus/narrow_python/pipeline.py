"""What a step in Python makes passes a filter and a route in Go whole, though they take one member."""

import steps
from functions import louder
from levada import Filter, Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="narrow_python")
    .apply(Parser[Reading]("parse"))
    .apply(Map("louder", function=louder))
    .apply(Filter("warm", function=steps.IsWarm()))
    .route(
        "by_kind",
        steps.KindOf(),
        {
            "humidity": branch[Reading]("humidity")
            .apply(Serializer("print_humidity"))
            .sink(StreamSink("humidities", stream_name="humidities")),
        },
        branch[Reading]("otherwise")
        .apply(Serializer("print_rest"))
        .sink(StreamSink("rest", stream_name="rest")),
    )
)
