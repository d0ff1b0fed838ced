from levada import Map, StreamSink, streaming_source


def none():
    return 1


def two(a, b):
    return a


class Settings:
    def __init__(self, limit):
        self.limit = limit


pipeline = (
    streaming_source("in", "in")
    .apply(Map("none", none))
    .apply(Map("two", two))
    .apply(Map("three", lambda a, b, c: a))
    .sink(StreamSink("out", "out"))
)
