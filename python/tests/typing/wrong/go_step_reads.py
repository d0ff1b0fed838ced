import metric_steps
from levada import Filter, Map, Message, Parser, streaming_source
from metric_steps.types import MetricGlimpse


def renamed(msg: Message[MetricGlimpse]) -> MetricGlimpse:
    msg.payload["type"] = "c"  # error
    msg.payload["tags"]["a"] = "b"  # error
    return msg.payload


def untagged(msg: Message[MetricGlimpse]) -> str:
    return msg.payload["type"]


(
    streaming_source("ingest", "ingest-metrics")
    .apply(Parser[MetricGlimpse]("parse"))
    .apply(Map("renamed", renamed))
    .apply(Map("untagged", untagged))
    .apply(Filter("dense", metric_steps.IsDense()))  # error
)
