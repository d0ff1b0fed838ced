"""What the pipeline calls."""

from levada import Message
from steps.types import Everything


def same(msg: Message[Everything]) -> Everything:
    return {**msg.payload}
