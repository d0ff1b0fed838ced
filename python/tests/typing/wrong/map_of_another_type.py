"""A map's function takes what the stream has."""

from levada import Map, Message, Parser, streaming_source
from metric_steps.types import IngestMetric


def double(msg: Message[int]) -> int:
    return msg.payload * 2


streaming_source("in", "in").apply(Parser[IngestMetric]("parse")).apply(
    Map("double", function=double)  # error
)
