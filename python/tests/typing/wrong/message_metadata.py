"""Keys and header values are bytes."""

from levada import Message

Message(1, key="k")  # error
Message(1, headers=[("h", "v")])  # error
Message(1).with_key("k")  # error
Message(1).with_header("h", "v")  # error
