"""A parser takes bytes."""

from levada import Parser, streaming_source
from metric_steps.types import IngestMetric

streaming_source("in", "in").apply(Parser[IngestMetric]("parse")).apply(
    Parser[IngestMetric]("again")  # error
)
