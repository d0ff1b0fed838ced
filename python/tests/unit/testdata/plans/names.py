import functools

import helpers
from levada import Map, Parser, Serializer, StreamSink, streaming_source


class Here:
    def method(self, msg):
        return msg.payload

    @staticmethod
    def static(msg):
        return msg.payload

    @classmethod
    def of_class(cls, msg):
        return msg.payload


@functools.lru_cache
def cached(msg):
    return msg.payload


def two(extra, msg):
    return msg.payload


here = Here()
pipeline = (
    streaming_source("in", "in")
    .apply(Parser("parse"))
    .apply(Map("method", here.method))
    .apply(Map("same_method", here.method))
    .apply(Map("static", Here.static))
    .apply(Map("of_class", Here.of_class))
    .apply(Map("cached", cached))
    .apply(Map("partial", functools.partial(two, 1)))
    .apply(Map("imported", helpers.double))
    .apply(Map("by_name", "helpers.double"))
    .apply(Map("by_colon", "helpers:Math.square"))
    .apply(Map("re_exported", "helpers.dumps"))
    .apply(Map("own", "names.Here.static"))
    .apply(Map("builtin", len))
    .apply(Serializer("serialize"))
    .sink(StreamSink("out", "out"))
)
