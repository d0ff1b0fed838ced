"""Functions over bytes, with no codec and with the one that does nothing."""

import steps
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source

pipeline = (
    streaming_source("in", stream_name="in", pipeline="raw")
    .apply(Filter("braces", function=steps.IsBrace()))
    .apply(Parser("as_it_is", "raw"))
    .apply(Map("upper", function=steps.Upper()))
    .apply(Serializer("as_it_was", "raw", on_error="fail"))
    .sink(StreamSink("out", stream_name="out"))
)
