"""What becomes of failing messages, for the pipeline as a whole and for steps of their
own mind."""

from datetime import timedelta

import steps
from levada import Map, Parser, Retry, Serializer, StreamSink, streaming_source
from steps.types import Reading

MS = timedelta(milliseconds=1)

pipeline = (
    streaming_source(
        "in", stream_name="in", pipeline="policies", on_error="skip", retry=Retry(2, MS)
    )
    .apply(Parser[Reading]("parse"))
    .apply(Map("positive", steps.Positive, on_error="dead_letter", retry=Retry(1, MS)))
    .apply(Map("patient", steps.Stubborn(refuse=2), on_error="fail"))
    .apply(Map("busy", steps.Stubborn(refuse=1, busy=True)))
    .apply(Serializer("print", on_error="fail"))
    .sink(StreamSink("out", stream_name="out", on_error="dead_letter"))
)
