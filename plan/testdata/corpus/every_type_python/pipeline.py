"""Every type through a Python step that returns what it got."""

import steps
from functions import same
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Everything

pipeline = (
    streaming_source("in", stream_name="in", pipeline="every_type_python")
    .apply(Parser[Everything]("parse"))
    .apply(Map("same", function=same))
    .apply(Map("touch", function=steps.Touch()))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
