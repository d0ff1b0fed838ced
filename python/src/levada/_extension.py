"""The only importer of a compiled module.

A process holds one: two would be two Go runtimes, and the garbage collector of the
first then waits behind the second.
"""

from __future__ import annotations

import faulthandler
import importlib
import importlib.util
import json
import sys
from types import ModuleType
from typing import Any

from levada.errors import ExtensionError

__all__ = ["DEFAULT", "PLAN_VERSION", "exists", "load", "one_of", "package_of"]

DEFAULT = "levada"
"""The package whose compiled module has no steps of a user."""

PLAN_VERSION = 1
"""The version of plans and manifests that this package writes."""

_MODULE = "_native"


def package_of(cls: type) -> str:
    """The package that holds the compiled module of a generated class: the nearest one
    above it that has a module of that name."""
    if named := getattr(cls, "__levada_extension__", ""):
        return str(named)
    package = cls.__module__
    while package:
        if exists(package):
            return package
        package = package.rpartition(".")[0]
    return cls.__module__


def one_of(packages: tuple[str, ...]) -> str:
    """The one package whose compiled module serves them all."""
    match packages:
        case ():
            return DEFAULT
        case (package,):
            return package
        case _:
            names = " and ".join(packages) if len(packages) == 2 else ", ".join(packages)
            raise ExtensionError(
                f"expected Go steps of one extension, got those of {names}\n"
                "hint: one process holds one Go runtime: "
                "put the Go steps of these packages into one package and build one wheel"
            )


def load(package: str) -> Any:
    """The compiled module of a package."""
    name = f"{package}.{_MODULE}"
    if (module := sys.modules.get(name)) is not None:
        return module
    loaded = [m.removesuffix(f".{_MODULE}") for m in list(sys.modules) if _is_ours(m)]
    if loaded:
        one_of((loaded[0], package))
    if not exists(package):
        raise ExtensionError(
            f"{package}: there is no compiled module in it\nhint: {_advice(package)}"
        )
    _watch_faults()
    try:
        module = importlib.import_module(name)
    except ImportError as e:
        raise ExtensionError(f"{package}: {e}") from e
    try:
        _fits(package, module)
    except ExtensionError:
        # It can not be unloaded, but nobody shall take it for usable.
        del sys.modules[name]
        raise
    return module


def exists(package: str) -> bool:
    """Whether a package has a compiled module; it is not loaded."""
    try:
        return importlib.util.find_spec(f"{package}.{_MODULE}") is not None
    except (ImportError, AttributeError, ValueError):
        return False


def _is_ours(module: str) -> bool:
    return module.endswith(f".{_MODULE}") and hasattr(sys.modules[module], "layout_fingerprint")


def _advice(package: str) -> str:
    if package == DEFAULT:
        return (
            "install the wheel of levada; a source folder has no engine until levada build has run"
        )
    return "build it: pip install . in its folder, or levada build"


def _watch_faults() -> None:
    """Python's fault handler must be the older one: enabled after the module is loaded,
    it turns a recoverable nil dereference in Go into the death of the process."""
    if faulthandler.is_enabled() or sys.__stderr__ is None:
        return
    try:
        faulthandler.enable(file=sys.__stderr__)
    except (OSError, ValueError):
        # No file behind it; then nobody will enable it by habit either.
        return


def _fits(package: str, module: ModuleType) -> None:
    """Refuses a module that was built for other types or another release."""
    from levada import __version__

    native: Any = module
    manifest = json.loads(native.manifest())
    if manifest["plan"] not in (PLAN_VERSION, PLAN_VERSION + 1):
        raise ExtensionError(
            f"{package}: expected an extension of plan version {PLAN_VERSION} "
            f"(levada {__version__}), got {manifest['plan']} (levada {manifest['levada']})\n"
            f"hint: build it again with levada {__version__}"
        )
    types = sys.modules.get(f"{package}.types")
    stub = getattr(types, "__levada_fingerprint__", None)
    if stub is not None and stub != native.layout_fingerprint:
        raise ExtensionError(
            f"{package}: expected the layout {stub} of types.py, "
            f"got {native.layout_fingerprint} of the compiled module\n"
            f"hint: they are of different builds: {_advice(package)}"
        )
