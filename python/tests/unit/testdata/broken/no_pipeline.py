from levada import StreamSink, streaming_source

flow = streaming_source("in", "in").sink(StreamSink("out", "out"))
LIMIT = 3


def helper(msg):
    return msg
