"""One Python step on raw bytes: what a crossing adds to a plain loop."""

from levada import Map, Message, StreamSink, streaming_source


def append_space(message: Message[bytes]) -> bytes:
    return message.payload + b" "


pipeline = (
    streaming_source("in", stream_name="bench-in")
    .apply(Map("append", function=append_space))
    .sink(StreamSink("out", stream_name="bench-out"))
)
