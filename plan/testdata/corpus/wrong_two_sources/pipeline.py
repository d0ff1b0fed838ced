"""Two sources."""

from levada import StreamSink, streaming_source

second = streaming_source("in_too", stream_name="in_too")
pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(second)
    .sink(StreamSink("out", stream_name="out"))
)
