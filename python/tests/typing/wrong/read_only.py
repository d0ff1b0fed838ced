"""Steps and messages are values."""

from levada import Batch, Message

message = Message(1)
message.payload = 2  # error
message.headers = []  # error
step: Batch[int] = Batch("b", 10)
step.batch_size = 20  # error
