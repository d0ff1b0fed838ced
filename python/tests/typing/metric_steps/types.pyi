from collections.abc import Mapping as _Mapping
from collections.abc import Sequence as _Sequence
from typing import NotRequired, TypedDict

from levada import ReadOnly as _ReadOnly

class MetricType(TypedDict):
    type: str

class IngestMetric(TypedDict):
    org_id: int
    name: str
    tags: NotRequired[dict[str, str]]
    type: str

class TransformedMetric(TypedDict):
    org_id: int
    name: str
    tags: NotRequired[dict[str, str]]
    type: str
    transformed: bool

class BucketGlimpse(TypedDict):
    at: _ReadOnly[float]

class MetricGlimpse(TypedDict):
    name: NotRequired[_ReadOnly[str]]
    type: _ReadOnly[str]
    tags: _ReadOnly[_Mapping[str, str | None]]
    buckets: _ReadOnly[_Sequence[BucketGlimpse]]
