"""A Python pipeline whose steps are all in Go."""

import bench_steps
from bench_steps.types import Metric
from levada import Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="bench-in")
    .apply(Parser[Metric]("parse"))
    .apply(Map("transform", function=bench_steps.Transform()))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="bench-out"))
)
