"""Which type of a Union a value is, by the rule of the engine.

The engine writes and reads variants itself; this is for functions of dataclasses, whose
objects are made in Python.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any, cast

from levada._types import PlanType, Table

__all__ = ["Choice", "fitting", "kinds_of"]

_INTEGERS = {f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)}
_FLOATS = {"float32", "float64"}
_KINDS: tuple[tuple[type, set[str]], ...] = (
    (bool, {"bool"}),
    (int, _INTEGERS | _FLOATS),
    (float, _FLOATS),
    (str, {"string"}),
    (bytes, {"bytes"}),
    (datetime, {"time"}),
    (timedelta, {"duration"}),
    (list, {"list", "tuple"}),
    (tuple, {"list", "tuple"}),
    (dict, {"struct", "map"}),
)


class Choice:
    """Finds the place of a value's type among the arguments of a Union."""

    def __init__(self, annotations: list[object]) -> None:
        self._annotations = annotations
        self._found: list[PlanType] | None = None

    def _variants(self) -> list[PlanType]:
        # Not before the first value: a recursive class is not whole when it is met.
        if self._found is None:
            table = Table(strict=False)
            converted = [table.convert(a, "") for a in self._annotations]
            self._found = [table.types[t["name"]] if t["kind"] == "ref" else t for t in converted]
        return self._found

    def __call__(self, value: object) -> int:
        """The place.

        Raises:
            ValueError: The value is none of the types, or may be several.
        """
        fit = fitting(self._variants(), kinds_of(value), value)
        if len(fit) == 1:
            return fit[0]
        names = " or ".join(getattr(a, "__name__", str(a)) for a in self._annotations)
        of_them = "none of them" if not fit else f"{len(fit)} of them"
        raise ValueError(f"expected {names}, got `{type(value).__name__}` that may be {of_them}")


def kinds_of(value: object) -> set[str]:
    """The kinds of types that a value may be of."""
    return next((kinds for t, kinds in _KINDS if isinstance(value, t)), set[str]())


def fitting(variants: list[PlanType], kinds: set[str], value: object) -> list[int]:
    """The places of the variants that a value may be, which are one of its kinds."""
    fit = [i for i, v in enumerate(variants) if v["kind"] in kinds]
    if len(fit) <= 1 or not isinstance(value, dict):
        return fit
    members = cast("dict[str, Any]", value)
    fit = [i for i in fit if _constants(variants[i], members) is not False]
    tagged = [i for i in fit if _constants(variants[i], members)]
    if len(tagged) == 1:
        return tagged
    fit = [i for i in tagged or fit if _whole(variants[i], members)]
    # As the first of several nothing is lost where it keeps what it does not name.
    return fit[:1] if fit and variants[fit[0]].get("extra") else fit


def _constants(struct: PlanType, members: dict[str, Any]) -> bool | None:
    """True: one is right and none is wrong; False: one is wrong; None: there is none."""
    found = None
    for field in struct.get("fields", ()):
        if "const" in field and field["name"] in members:
            want, got = json.loads(field["const"]), members[field["name"]]
            if type(got) is not type(want) or got != want:
                return False
            found = True
    return found


def _whole(struct: PlanType, members: dict[str, Any]) -> bool:
    return all(f["name"] in members or f.get("optional") for f in struct.get("fields", ()))
