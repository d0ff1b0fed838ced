"""What the pipeline calls."""

from typing import Literal

from levada import Message
from steps.types import Reading


def warmth(message: Message[Reading]) -> Literal["hot", "cold", "mild"]:
    return "mild"
