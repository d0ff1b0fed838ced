"""The steps of go_steps in Python."""

from functions import is_hot, to_hot
from levada import Filter, Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Reading

pipeline = (
    streaming_source("in", stream_name="in", pipeline="python_steps")
    .apply(Parser[Reading]("parse"))
    .apply(Filter("hot", function=is_hot))
    .apply(Map("to_hot", function="functions.to_hot"))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
