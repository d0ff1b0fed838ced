from levada import Map, StreamSink, streaming_source


async def fetch(msg):
    return msg.payload


pipeline = streaming_source("in", "in").apply(Map("fetch", fetch)).sink(StreamSink("out", "out"))
