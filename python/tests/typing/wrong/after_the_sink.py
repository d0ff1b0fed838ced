"""Nothing comes after a sink."""

from levada import Serializer, StreamSink, streaming_source

done = streaming_source("in", "in").sink(StreamSink("out", "out"))
done.apply(Serializer("s"))  # error
