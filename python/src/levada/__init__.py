"""Stream processing on Kafka, with Python and Go steps in one process.

A pipeline is a source, steps, and a sink at every end::

    pipeline = (
        streaming_source("ingest", stream_name="ingest-metrics")
        .apply(Parser[Metric]("parse"))
        .apply(Map("transform", function=transform))
        .apply(Serializer("serialize"))
        .sink(StreamSink("out", stream_name="transformed-metrics"))
    )

``levada run pipeline.py --config deployment.yaml`` runs it. Importing a pipeline runs
nothing and loads no compiled module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from levada._custom import register
from levada._readonly import ReadOnly
from levada.errors import (
    ExtensionError,
    GoError,
    InvalidPipelineError,
    LevadaError,
    Origin,
    RetryableError,
)
from levada.function import GoFunction
from levada.message import Header, Message
from levada.pipeline import Branch, OpenBranch, Pipeline, Stream, branch, streaming_source
from levada.steps import (
    Batch,
    Filter,
    FlatMap,
    Map,
    Parser,
    Retry,
    Serializer,
    Step,
    StreamSink,
)

if TYPE_CHECKING:
    from levada._run import run, run_package

__all__ = [
    "Batch",
    "Branch",
    "ExtensionError",
    "Filter",
    "FlatMap",
    "GoError",
    "GoFunction",
    "Header",
    "InvalidPipelineError",
    "LevadaError",
    "Map",
    "Message",
    "OpenBranch",
    "Origin",
    "Parser",
    "Pipeline",
    "ReadOnly",
    "Retry",
    "RetryableError",
    "Serializer",
    "Step",
    "Stream",
    "StreamSink",
    "branch",
    "register",
    "run",
    "run_package",
    "streaming_source",
]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # What only a run needs is imported by a run: a program that merely imports a
    # pipeline does not wait for it.
    if name in ("run", "run_package"):
        from levada import _run

        return getattr(_run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
