import metric_steps
from levada import Filter, FlatMap, Map, Message, Parser, Serializer, StreamSink, streaming_source
from metric_steps.types import IngestMetric


def is_counter(msg: Message[IngestMetric]) -> bool:
    return msg.payload["type"] == "c"


pipeline = (
    streaming_source("ingest", stream_name="ingest-metrics", pipeline="metrics")
    .apply(Parser[IngestMetric]("parse"))
    .apply(Filter("counters", function=is_counter))
    .apply(Map("transform", function=metric_steps.Transform()))
    .apply(Map("again", function=metric_steps.Transform))
    .apply(FlatMap("split", function="metric_steps.Split"))
    .apply(
        Filter(
            "high",
            function=metric_steps.Threshold(
                salt=b"\x00\xff", names=["b", "a", "é"], limit=3.0, since=None
            ),
        )
    )
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", stream_name="transformed-metrics"))
)
