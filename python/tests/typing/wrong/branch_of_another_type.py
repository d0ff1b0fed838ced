"""A branch takes what the stream before it has."""

from levada import Branch, Parser, Serializer, StreamSink, branch, streaming_source
from metric_steps.types import IngestMetric


def finished(name: str) -> Branch[int]:
    return branch[int](name).apply(Serializer(f"s_{name}")).sink(StreamSink(name, name))


parsed = streaming_source("in", "in").apply(Parser[IngestMetric]("parse"))
parsed.broadcast("all", routes=[finished("a")])  # error
