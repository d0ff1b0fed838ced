"""``ReadOnly`` of PEP 705, for members of a TypedDict that nobody changes.

``typing`` has it from Python 3.13; before that it is the type itself, which is all that
counts at run time.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing_extensions import ReadOnly
elif sys.version_info >= (3, 13):
    from typing import ReadOnly
else:

    class ReadOnly:
        """Marks a member of a TypedDict that nobody changes, as in ``x: ReadOnly[int]``."""

        def __class_getitem__(cls, item):
            return item


__all__ = ["ReadOnly"]
