"""What a Go step returns is what the next step gets."""

import metric_steps
from levada import FlatMap, Map, Parser, streaming_source
from metric_steps.types import IngestMetric

split = (
    streaming_source("in", "in")
    .apply(Parser[IngestMetric]("parse"))
    .apply(FlatMap("split", function=metric_steps.Split()))
)
split.apply(Map("transform", function=metric_steps.Transform()))  # error
