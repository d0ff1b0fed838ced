"""What the pipeline calls."""

from levada import Message
from steps.types import Reading


def key_by_id(msg: Message[Reading]) -> Message[Reading]:
    header = dict(msg.headers)["keyed-by"]
    return (
        msg.with_key(msg.payload["id"].encode())
        .without_header("keyed-by")
        .with_header("was-keyed-by", header)
    )
