"""Earthquakes by alert level: every step in Python."""

from levada import Filter, Map, Parser, Serializer, StreamSink, branch, streaming_source
from quakes import Feature, MeasuredQuake, classify, known, level, measure

pipeline = (
    streaming_source("feed", stream_name="quakes", pipeline="earthquakes")
    .apply(Parser[Feature]("parse"))
    .apply(Filter("known", function=known))
    .apply(Map("classify", function=classify))
    .apply(Map("measure", function=measure))
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
