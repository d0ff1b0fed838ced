"""Canonical names of Python functions, and the functions that names stand for."""

from __future__ import annotations

import difflib
import functools
import importlib
import importlib.util
import inspect
import os
import sys
import types
from typing import Any, NamedTuple

__all__ = ["Named", "UnknownName", "defined_at", "module_name", "named", "resolve"]


class UnknownName(Exception):
    """A dotted name that leads to no function; ``hint`` says what there is."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.hint = hint


class Named(NamedTuple):
    """A function's canonical name; local where the name alone does not lead back to it."""

    name: str
    local: bool


def module_name(module: str) -> str:
    """A module's name, also where it is the program: then it is the name under which
    any other program would import it."""
    if module != "__main__":
        return module
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    return os.path.splitext(os.path.basename(file))[0] if file else module


def named(function: Any) -> Named:
    """The canonical name of a callable."""
    while isinstance(function, functools.partial):
        return Named(named(function.func).name, local=True)
    target = function if hasattr(function, "__qualname__") else type(function)
    module = getattr(target, "__module__", None) or type(function).__module__
    name = f"py:{module_name(module)}:{target.__qualname__}"
    return Named(name, local=_walk(sys.modules.get(module), target.__qualname__) != function)


def _walk(start: object, path: str) -> object:
    for part in path.split("."):
        start = getattr(start, part, None)
    return start


def defined_at(function: Any) -> tuple[str, int]:
    """File and line of a callable; an empty file where there is none."""
    while isinstance(function, functools.partial):
        function = function.func
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    if code is None:
        code = getattr(type(function).__call__, "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code else ("", 0)


def resolve(dotted: str) -> Any:
    """What ``package.module.function`` or ``package.module:function`` stands for."""
    if ":" in dotted:
        prefix, _, rest = dotted.partition(":")
        return _attribute(_module(prefix, dotted), rest, dotted)
    parts = dotted.split(".")
    if len(parts) == 1:
        raise UnknownName(
            f'expected a module and a function, got "{dotted}"',
            f'write "package.{dotted}", or pass the function itself',
        )
    # The longest part that is a module: what follows it are attributes, of which
    # there is one at least.
    for n in range(len(parts) - 1, 0, -1):
        prefix = ".".join(parts[:n])
        if prefix in sys.modules or _exists(prefix):
            return _attribute(_module(prefix, dotted), ".".join(parts[n:]), dotted)
    raise UnknownName(
        f'function "{dotted}": there is no module "{parts[0]}"',
        "modules are looked for in the pipeline file's folder and where python looks",
    )


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError as e:
        # A parent that is a plain module, or is not there: then this one is not either.
        # Anything else is missing inside of the parent, and is told as such.
        if e.name is not None and (module == e.name or module.startswith(e.name + ".")):
            return False
        raise
    except ValueError:
        return False


def _module(name: str, dotted: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name is not None and (name == e.name or name.startswith(e.name + ".")):
            raise UnknownName(f'function "{dotted}": there is no module "{e.name}"') from None
        raise


def _attribute(module: types.ModuleType, path: str, dotted: str) -> Any:
    owner: Any = module
    shown = f"module {module.__name__}"
    for part in path.split("."):
        if not hasattr(owner, part):
            raise UnknownName(f'function "{dotted}": {shown} has no "{part}"', _offer(owner, part))
        owner = getattr(owner, part)
        shown = f"{type(owner).__name__} {part}"
    if not callable(owner):
        raise UnknownName(f'function "{dotted}": expected a function, got {type(owner).__name__}')
    return owner


def _offer(owner: object, missing: str) -> str:
    names = [n for n, v in vars(owner).items() if not n.startswith("_") and callable(v)]
    home = getattr(owner, "__name__", None)
    own = [n for n in names if getattr(getattr(owner, n), "__module__", home) == home] or names
    if close := difflib.get_close_matches(missing, names, n=1):
        return f'did you mean "{close[0]}"?'
    return f"it has {', '.join(sorted(own))}" if own else "it has no functions"
