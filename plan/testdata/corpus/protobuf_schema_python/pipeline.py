"""Protocol buffers for steps in Python, by the text of their schema: with a type and without."""

from pathlib import Path

import functions
from levada import Map, Parser, Serializer, StreamSink, streaming_source

HERE = Path(__file__).parent
SCHEMA = (HERE / "found.proto").read_text(encoding="utf-8")
IMPORTS = {"common/unit.proto": (HERE / "common/unit.proto").read_text(encoding="utf-8")}

pipeline = (
    streaming_source("in", stream_name="in", pipeline="protobuf_schema_python")
    .apply(Parser("parse"))
    .apply(Map("found", function=functions.found))
    .apply(
        Serializer(
            "pack", codec="protobuf", schema=SCHEMA, message="corpus.Found", imports=IMPORTS
        )
    )
    .apply(
        Parser[functions.Found](
            "unpack",
            codec="protobuf",
            schema=SCHEMA,
            message="corpus.Found",
            imports=IMPORTS,
            strict=True,
        )
    )
    .apply(Map("same", function=functions.same))
    .apply(
        Serializer(
            "pack_again", codec="protobuf", schema=SCHEMA, message="Found", imports=IMPORTS
        )
    )
    .apply(
        Parser("unpack_again", codec="protobuf", schema=SCHEMA, message="Found", imports=IMPORTS)
    )
    .apply(Map("whatever", function=functions.whatever))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
