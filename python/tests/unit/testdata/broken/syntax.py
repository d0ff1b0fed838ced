pipeline = (
    streaming_source("in", "in"
    .sink(StreamSink("out", "out"))
