"""Policies are words, durations are timedeltas, and options have names."""

from levada import Batch, Map, Message, Retry, StreamSink, streaming_source


def one(msg: Message[int]) -> int:
    return 1


Map("m", one, on_error="ignore")  # error
Map("m", one, retry=3)  # error
Map("m", one, crossing="jsn")  # error
Map("m", one, "skip")  # error
Retry(3, backoff=1.5)  # error
streaming_source("in", "in", on_error="stop")  # error
streaming_source("in", "in", retry=3)  # error
batch: Batch[int] = Batch("b", batch_timedelta=10)  # error
StreamSink("out")  # error
