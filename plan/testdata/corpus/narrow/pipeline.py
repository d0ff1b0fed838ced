"""A filter that takes one member reads it from the bytes; what it leaves passes whole, also by a route."""

import steps
from functions import louder
from levada import Filter, Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="narrow")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("warm", function=steps.IsWarm()))
    .apply(Map("louder", function=louder))
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
