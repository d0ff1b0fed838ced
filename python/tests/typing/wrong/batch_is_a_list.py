"""After a batch the payload is a list."""

from levada import Batch, Map, Message, Parser, streaming_source
from metric_steps.types import IngestMetric


def org(msg: Message[IngestMetric]) -> int:
    return msg.payload["org_id"]


batched = streaming_source("in", "in").apply(Parser[IngestMetric]("p")).apply(Batch("b", 10))
batched.apply(Map("org", function=org))  # error
