"""``python -m levada._describe MODULE:TYPE...``: Python types as the plan says them.

``levada gen --from-python`` asks, and writes Go from the answer.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import types
from typing import Any, Union, get_origin

from levada._types import Table, UnsupportedType, text

__all__ = ["describe"]

OK, CONFIG = 0, 78


class _NotFound(Exception):
    """A name that leads to no type."""


def describe(names: list[str]) -> dict[str, Any]:
    """The types that the names lead to and all that they refer to, with their docs."""
    table = Table(strict=True)
    roots = [table.declare(_find(name)) for name in names]
    modules = {name.partition(":")[0] for name in names}
    modules |= {cls.__module__ for cls in table.classes.values()}
    out = {"roots": roots, "types": table.types, "docs": _docs(table)}
    return out | {"unions": _unions(sorted(modules))}


def _unions(modules: list[str]) -> dict[str, str]:
    """The names that modules have for Unions, by the text of these."""
    found: dict[str, str] = {}
    for module in modules:
        for name, value in vars(sys.modules[module]).items():
            alias = type(value).__name__ == "TypeAliasType"
            if alias or isinstance(value, types.UnionType) or get_origin(value) is Union:
                union = Table(strict=False).convert(value, name)
                if union["kind"] == "union":
                    found.setdefault(text({**union, "nullable": False}), name)
    return found


def _find(name: str) -> object:
    module, _, path = name.partition(":")
    if not module or not path:
        raise _NotFound(f'expected MODULE:TYPE, got "{name}"')
    try:
        found: object = importlib.import_module(module)
    except Exception as e:
        raise _NotFound(
            f"{name}: expected a module that can be imported, got {type(e).__name__}: {e}"
        ) from e
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise _NotFound(f'{name}: expected a type in {module}, found no "{part}"') from None
    return found


def _docs(table: Table) -> dict[str, str]:
    docs: dict[str, str] = {}
    for name, cls in table.classes.items():
        doc = cls.__doc__ or ""
        # A dataclass without one gets its signature, TypedDict that of dict.
        if doc and doc != dict.__doc__ and not doc.startswith(f"{cls.__name__}("):
            docs[name] = inspect.cleandoc(doc)
    return docs


def _main(names: list[str]) -> int:
    try:
        described = json.dumps(describe(names), ensure_ascii=False)
    except (_NotFound, UnsupportedType) as e:
        print(f"levada: {e}", file=sys.stderr)
        return CONFIG
    print(described)
    return OK


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
