"""A branch ends in a sink."""

from levada import Parser, Serializer, branch, streaming_source
from metric_steps.types import IngestMetric

parsed = streaming_source("in", "in").apply(Parser[IngestMetric]("parse"))
unfinished = branch[IngestMetric]("b").apply(Serializer("s"))
parsed.broadcast("all", routes=[unfinished])  # error
