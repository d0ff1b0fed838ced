"""Failing functions in Python: repeated, skipped, buried."""

from datetime import timedelta

from functions import busy, kind, patient, positive
from levada import (
    Filter,
    FlatMap,
    Map,
    Parser,
    Retry,
    Serializer,
    StreamSink,
    branch,
    streaming_source,
)
from steps.types import Reading

MS = timedelta(milliseconds=1)

pipeline = (
    streaming_source("in", stream_name="in", pipeline="policies_python", on_error="dead_letter")
    .apply(Parser[Reading]("parse", on_error="skip"))
    .apply(Map("positive", positive))
    .apply(FlatMap("busy", busy, on_error="skip"))
    .apply(Filter("patient", patient, retry=Retry(2, MS), on_error="fail"))
    .route(
        "by",
        kind,
        cases={
            "t": branch("t")
            .apply(Serializer("print_t"))
            .sink(StreamSink("temperatures", stream_name="temperatures")),
        },
        otherwise=branch("otherwise")
        .apply(Serializer("print_rest"))
        .sink(StreamSink("rest", stream_name="rest")),
        retry=Retry(1, MS),
    )
)
