"""The pipeline of the process harness: steps in Go and in Python."""

from datetime import timedelta
from typing import Any

import metric_steps
from levada import (
    Batch,
    Filter,
    Map,
    Message,
    Parser,
    Serializer,
    StreamSink,
    branch,
    streaming_source,
)
from metric_steps.types import IngestMetric, Transformed


def same(msg: Message[Transformed]) -> Any:
    return msg.payload


pipeline = (
    streaming_source("in", stream_name="in", pipeline="kill")
    .apply(Parser[IngestMetric]("parse"))
    .apply(Filter("counters", function=metric_steps.IsCounter()))
    .apply(Map("mark", function=metric_steps.Transform()))
    .apply(Map("same", function=same))
    .broadcast(
        "both",
        routes=[
            branch("each")
            .apply(Serializer("each_json"))
            .sink(StreamSink("each_out", stream_name="each")),
            branch("batches")
            .apply(Batch("batch", 50, timedelta(milliseconds=300)))
            .apply(Serializer("batch_json"))
            .sink(StreamSink("batch_out", stream_name="batches")),
        ],
    )
)
