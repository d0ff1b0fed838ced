"""The members of a payload are those of its type."""

from levada import Map, Message, Parser, streaming_source
from metric_steps.types import IngestMetric


def transform(msg: Message[IngestMetric]) -> str:
    return msg.payload["nmae"]  # error


parsed = streaming_source("in", "in").apply(Parser[IngestMetric]("parse"))
parsed.apply(Map("org", lambda m: m.payload["og_id"]))  # error
