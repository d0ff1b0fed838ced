"""A flat map's function returns something to iterate over."""

import metric_steps
from levada import FlatMap, Message, Parser, streaming_source
from metric_steps.types import IngestMetric


def org(msg: Message[IngestMetric]) -> int:
    return msg.payload["org_id"]


parsed = streaming_source("in", "in").apply(Parser[IngestMetric]("parse"))
parsed.apply(FlatMap("org", function=org))  # error
parsed.apply(FlatMap("counter", function=metric_steps.IsCounter()))  # error
