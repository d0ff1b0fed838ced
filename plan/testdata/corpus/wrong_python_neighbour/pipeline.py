"""What a Go step yields a Python step does not take."""

import steps
from functions import takes_reading
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="wrong")
    .apply(Parser[Reading]("parse"))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Map("python", function=takes_reading))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
