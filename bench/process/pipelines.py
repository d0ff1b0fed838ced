"""The pipelines of the process benches; the one to run is named by an environment variable."""

import os

import bench_steps
from levada import Filter, Map, Message, Parser, Pipeline, Serializer, StreamSink, streaming_source


def untouched(message: Message[bytes]) -> bool:
    return True


def same(message: Message[bench_steps.types.Metric]) -> bench_steps.types.Metric:
    return message.payload


def made(which: str) -> Pipeline:
    source = streaming_source("in", stream_name="in")
    sink = StreamSink("out", stream_name="out")
    parse = Parser[bench_steps.types.Metric]("parse")
    one, two = (Map(name, function=bench_steps.Transform()) for name in ("one", "two"))
    match which:
        case "empty":
            return source.sink(sink)
        case "untouched":
            return source.apply(Filter("untouched", function=untouched)).sink(sink)
        case "burn":
            return source.apply(Map("burn", function=bench_steps.Burn())).sink(sink)
        case "one":
            stream = source.apply(parse).apply(Map("same", function=same)).apply(one)
            return stream.apply(Serializer("serialize")).sink(sink)
        case "two":
            stream = source.apply(parse).apply(Map("same", function=same)).apply(one).apply(two)
            return stream.apply(Serializer("serialize")).sink(sink)
    raise SystemExit(f"bench: no pipeline {which}")


pipeline = made(os.environ["BENCH_PIPELINE"])
