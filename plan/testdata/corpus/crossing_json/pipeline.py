"""Readings between Go and Python as JSON text: the word stands on either side."""

import steps
from functions import doubled, is_known, kind, one_more
from levada import Filter, FlatMap, Map, Parser, Serializer, StreamSink, branch, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="crossing_json")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("known", function=is_known, crossing="json"))
    .apply(Map("double", function=steps.Double(), crossing="frame"))
    .apply(Map("one_more", function=one_more))
    .apply(Filter("known_again", function=is_known))
    .apply(Filter("hot", function=steps.IsHot(), crossing="json"))
    .apply(FlatMap("doubled", function=doubled))
    .route(
        "kind",
        function=kind,
        cases={
            "temperature": branch("temperature")
            .apply(Serializer("print"))
            .sink(StreamSink("out", stream_name="out")),
        },
        otherwise=branch("otherwise")
        .apply(Map("double_other", function=steps.Double(), crossing="json"))
        .route(
            "level",
            function=kind,
            cases={},
            otherwise=branch("otherwise")
            .apply(Serializer("print_other"))
            .sink(StreamSink("other", stream_name="other")),
            crossing="json",
        ),
    )
)
