"""JSON as the Go side writes it, so that a plan is the same bytes in every spelling."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

__all__ = ["canonical", "encode"]


def encode(value: Any, indent: int | None = None) -> str:
    """The JSON text; members in the order of the dict."""
    return _encode(value, "\n" if indent else None, " " * (indent or 0))


def _encode(value: Any, line: str | None, step: str) -> str:
    match value:
        case str():
            return json.dumps(value, ensure_ascii=False)
        case None | bool() | int():
            return json.dumps(value)
        case float():
            return _number(value)
        case list() | tuple():
            items = cast("list[Any]", value)
            inner = None if line is None else line + step
            return _wrap("[]", [_encode(v, inner, step) for v in items], line, step)
        case dict():
            inner = None if line is None else line + step
            colon = ":" if line is None else ": "
            members = [
                json.dumps(k, ensure_ascii=False) + colon + _encode(v, inner, step)
                for k, v in cast("dict[str, Any]", value).items()
            ]
            return _wrap("{}", members, line, step)
        case _:
            raise TypeError(f"BUG: no JSON form for {type(value).__name__}")


def _wrap(brackets: str, members: list[str], line: str | None, step: str) -> str:
    if not members:
        return brackets
    if line is None:
        return brackets[0] + ",".join(members) + brackets[1]
    inner = line + step
    return brackets[0] + inner + ("," + inner).join(members) + line + brackets[1]


def _number(value: float) -> str:
    """A float as ECMAScript writes it, and Go's encoding/json/v2 with it: no ".0",
    an exponent only below 1e-6 and from 1e21 on."""
    sign = "-" if math.copysign(1, value) < 0 else ""
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0")
    if not digits:
        return sign + "0"
    if 0 < point <= 21:
        if len(digits) <= point:
            return sign + digits.ljust(point, "0")
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    rest = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{rest}e{point - 1:+d}"


def canonical(value: Any, path: str = "$") -> Any:
    """A setting as the plan holds it: JSON values, members sorted.

    Raises ValueError naming the path of what has no JSON form.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float() if math.isfinite(value):
            return value
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"expected a time with a zone, got {value!r} - at `{path}`")
            text = value.astimezone(UTC).isoformat().removesuffix("+00:00")
            return (text.rstrip("0") if "." in text else text) + "Z"
        case list() | tuple():
            items = cast("list[Any]", value)
            return [canonical(v, f"{path}[{i}]") for i, v in enumerate(items)]
        case Mapping():
            members: Mapping[Any, Any] = value
            for key in members:
                if not isinstance(key, str):
                    raise ValueError(f"expected str keys, got {key!r} - at `{path}`")
            return {k: canonical(members[k], f"{path}.{k}") for k in sorted(members)}
        case _:
            raise ValueError(f"expected a JSON value, got {value!r} - at `{path}`")
