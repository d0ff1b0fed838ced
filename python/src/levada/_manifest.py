"""What the Python side of a pipeline offers: functions and their signatures."""

from __future__ import annotations

import os
import types
from collections.abc import Callable
from typing import Any

from levada import _json, _names
from levada._adapt import Adapted
from levada._extension import PLAN_VERSION
from levada._types import Annotations, Table, literals

__all__ = ["Manifest", "place"]


class Manifest:
    """Collects the Python functions of one pipeline."""

    def __init__(self, folder: str, classes: dict[str, type]) -> None:
        self.functions: dict[str, Callable[[Any], Any]] = {}
        self._folder = folder
        # What an annotation says beyond the platform's types does no harm here.
        self._types = Table(strict=False, classes=classes)
        self._signatures: list[dict[str, Any]] = []

    def add(
        self, name: str, function: Any, callee: Callable[[Any], Any], said: Annotations
    ) -> bool:
        """Adds a function; False where the name stands for another one already.

        Args:
            name: canonical.
            function: as the author wrote it.
            callee: what the engine calls.
            said: what its annotations say.
        """
        if (known := self.functions.get(name)) is not None:
            return _is_same(known, callee)
        self.functions[name] = callee
        result = said.element if said.seq else said.returns
        entry: dict[str, Any] = {
            "name": name,
            "in": self._types.convert(said.takes, "the parameter"),
            "out": self._types.convert(result, "the result"),
        }
        if said.seq:
            entry["seq"] = True
        if said.meta:
            entry["meta"] = True
        if not said.seq and (keys := literals(said.returns)):
            entry["keys"] = keys
        entry["origin"] = place(*_names.defined_at(function), self._folder)
        self._signatures.append(entry)
        return True

    def text(self) -> str:
        """The JSON form."""
        from levada import __version__

        manifest = {
            "levada": __version__,
            "plan": PLAN_VERSION,
            "functions": self._signatures,
            **self._types.members(),
        }
        return _json.encode(manifest, indent=2) + "\n"


def place(file: str, line: int, folder: str) -> dict[str, Any]:
    """An origin as the plan tells it: the file relative to the pipeline's folder. What
    lies elsewhere is told by its last two parts, since a plan is the same on every
    machine."""
    if file and not file.startswith("<"):
        path = os.path.relpath(file, folder)
        if path.startswith(os.pardir):
            path = os.path.join(*os.path.abspath(file).split(os.sep)[-2:])
        file = path.replace(os.sep, "/")
    return {"file": file, "line": line}


def _is_same(one: Callable[[Any], Any], other: Callable[[Any], Any]) -> bool:
    if one is other:
        return True
    # These two are new objects each time; anything else that is equal may still hold
    # other state.
    return isinstance(one, types.MethodType | Adapted) and one == other
