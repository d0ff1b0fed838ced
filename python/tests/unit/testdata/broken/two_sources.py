from levada import StreamSink, streaming_source

one = streaming_source("one", "one")
two = streaming_source("two", "two")
pipeline = one.apply(two).sink(StreamSink("out", "out"))
