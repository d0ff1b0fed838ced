"""Earthquakes by alert level: the costly step in Go, the others in Python."""

import quake_steps
from levada import Filter, Map, Parser, Serializer, StreamSink, branch, streaming_source
from quakes import HERE, Feature, MeasuredQuake, classify, known, level

pipeline = (
    streaming_source("feed", stream_name="quakes", pipeline="earthquakes")
    .apply(Parser[Feature]("parse"))
    .apply(Filter("known", function=known))
    .apply(Map("classify", function=classify))
    .apply(Map("measure", function=quake_steps.Measure(**HERE)))
    .route(
        "by_level",
        function=level,
        cases={
            "minor": branch[MeasuredQuake]("minor")
            .apply(Serializer("minor_json"))
            .sink(StreamSink("minor_out", stream_name="quakes-minor")),
            "light": branch[MeasuredQuake]("light")
            .apply(Serializer("light_json"))
            .sink(StreamSink("light_out", stream_name="quakes-light")),
            "strong": branch[MeasuredQuake]("strong")
            .apply(Serializer("strong_json"))
            .sink(StreamSink("strong_out", stream_name="quakes-strong")),
        },
    )
)
