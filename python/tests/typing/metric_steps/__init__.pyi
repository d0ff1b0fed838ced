# What levada build writes, as far as a type checker sees it.
from collections.abc import Iterator

from levada import GoFunction, Message
from metric_steps.types import IngestMetric, MetricGlimpse, MetricType, TransformedMetric

class IsCounter(GoFunction[IngestMetric, bool]):
    def __init__(self) -> None: ...

class Kind(GoFunction[IngestMetric, str]):
    def __init__(self) -> None: ...

class Transform(GoFunction[IngestMetric, TransformedMetric]):
    def __init__(self) -> None: ...

class Keyed(GoFunction[IngestMetric, Message[IngestMetric]]):
    def __init__(self) -> None: ...

class Threshold(GoFunction[MetricType, bool]):
    def __init__(self, *, limit: float = ...) -> None: ...

class Split(GoFunction[IngestMetric, list[MetricType]]):
    def __init__(self) -> None: ...

class Each(GoFunction[IngestMetric, Iterator[MetricType]]):
    def __init__(self) -> None: ...

class IsDense(GoFunction[MetricGlimpse, bool]):
    def __init__(self) -> None: ...
