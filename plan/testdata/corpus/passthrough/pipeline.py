"""Records go through as they are."""

from levada import StreamSink, streaming_source

pipeline = streaming_source("in", stream_name="in", pipeline="passthrough").sink(
    StreamSink("out", stream_name="out")
)
