"""What the pipeline calls."""

from levada import Message


def quoted(msg: Message[bytes]) -> bytes:
    return b'"' + msg.payload + b'"'
