"""The cases of a route have keys that its function can return."""

from levada import Message, Parser, Serializer, StreamSink, branch, streaming_source
from metric_steps.types import IngestMetric


def kind(msg: Message[IngestMetric]) -> str:
    return msg.payload["type"]


b = branch[IngestMetric]("b").apply(Serializer("s")).sink(StreamSink("out", "out"))
parsed = streaming_source("in", "in").apply(Parser[IngestMetric]("parse"))
parsed.route("by_kind", kind, cases={"c": b})
parsed.route("by_kind", lambda m: [m.payload["type"]], cases={"c": b})  # error
