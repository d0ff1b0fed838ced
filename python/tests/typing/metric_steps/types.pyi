from typing import NotRequired, TypedDict

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
