"""A filter's function returns bool, in either language."""

import metric_steps
from levada import Filter, Message, Parser, streaming_source
from metric_steps.types import IngestMetric


def org(msg: Message[IngestMetric]) -> int:
    return msg.payload["org_id"]


parsed = streaming_source("in", "in").apply(Parser[IngestMetric]("parse"))
parsed.apply(Filter("org", function=org))  # error
parsed.apply(Filter("transform", function=metric_steps.Transform()))  # error
parsed.apply(Filter("transform", function=metric_steps.Transform))  # error
