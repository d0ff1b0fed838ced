"""Messages behind the number of their schema, or its fingerprint; Avro is read by a newer
schema than it was written by."""

from pathlib import Path

import steps
from levada import Map, Parser, Serializer, StreamSink, streaming_source
from steps.types import Hot, Reading

OLDER = Path(__file__).with_name("older.avsc").read_text(encoding="utf-8")
NEWER = Path(__file__).with_name("newer.avsc").read_text(encoding="utf-8")

pipeline = (
    streaming_source("in", stream_name="in", pipeline="prefix")
    .apply(Parser[Reading]("parse"))
    .apply(Map("to_hot", function=steps.ToHot()))
    .apply(Serializer("number", prefix="confluent", schema_id=3))
    .apply(Parser[Hot]("by_number", strict=True, prefix="confluent", schema_id=3))
    .apply(Serializer("pack", codec="avro", schema=OLDER, prefix="confluent", schema_id=7))
    .apply(
        Parser(
            "unpack",
            codec="avro",
            schema=NEWER,
            writer_schema=OLDER,
            prefix="confluent",
            schema_id=7,
        )
    )
    .apply(Serializer("fingerprint", codec="avro", schema=NEWER, prefix="single_object"))
    .apply(Parser("by_fingerprint", codec="avro", schema=NEWER, prefix="single_object"))
    .apply(Serializer("msgpack", codec="msgpack", prefix="confluent", schema_id=5))
    .apply(Parser("from_msgpack", codec="msgpack", prefix="confluent", schema_id=5))
    .apply(Serializer("print"))
    .sink(StreamSink("out", stream_name="out"))
)
