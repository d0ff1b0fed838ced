from levada import StreamSink, streaming_source

pipeline = streaming_source("in", "records").sink(StreamSink("out", "copies"))
