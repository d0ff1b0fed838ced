from typing import TypedDict

__levada_package__ = "example.com/metric_steps"
__levada_types__ = {
    "Tag": {"kind": "struct", "fields": [{"name": "key", "type": {"kind": "string"}}]},
    "IngestMetric": {
        "kind": "struct",
        "fields": [
            {"name": "org_id", "type": {"kind": "uint64"}},
            {
                "name": "tags",
                "type": {
                    "kind": "list",
                    "elem": {"kind": "ref", "name": "go:example.com/metric_steps.Tag"},
                },
                "optional": True,
                "omit": "omitempty",
            },
            {"name": "type", "type": {"kind": "string"}},
        ],
    },
    "Unused": {"kind": "struct"},
}


class Tag(TypedDict):
    key: str


class IngestMetric(TypedDict):
    org_id: int
    tags: list[Tag]
    type: str
