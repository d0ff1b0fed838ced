"""Types of the team's own, and the values that stand for them in a message."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

__all__ = ["Custom", "find", "register"]

T = TypeVar("T")
V = TypeVar("V")


class Custom(NamedTuple):
    """What a registered class crosses as."""

    stands_for_it: object
    """The annotation of the value that crosses."""
    to_go: Callable[[Any], Any]
    from_go: Callable[[Any], Any]


_registered: dict[type, Custom] = {}


def register(cls: type[T], *, to_go: Callable[[T], V], from_go: Callable[[V], T]) -> None:
    """Let a class stand in annotations of steps.

    Its values leave Python as what ``to_go`` makes of them, and come back by ``from_go``::

        def text(d: Decimal) -> str:
            return str(d)

        levada.register(Decimal, to_go=text, from_go=Decimal)

    Wherever a payload has the class, at any depth, other steps and codecs see the type
    that ``to_go`` is annotated to return. An exception of either function fails the
    message in the step that takes or returns it. Subclasses count, unless they are
    registered themselves.

    Register before the pipeline is described, in the module that defines it.

    Args:
        cls: The class.
        to_go: From an object to a value that has a layout: a scalar, list, dict or
            TypedDict. Its return annotation is the type.
        from_go: From such a value to an object.

    Raises:
        TypeError: ``cls`` is no class or has a form of its own already, ``to_go`` does
            not say what it returns or returns what has none, or the class is registered
            with other functions.
    """
    from levada._types import Table, UnsupportedType, has_layout

    if not isinstance(cls, type):
        raise TypeError(f"register: expected a class, got {cls!r}")
    if has_layout(cls):
        raise TypeError(f"register: {cls.__qualname__} crosses as it is: expected another class")
    returns = _returns(to_go)
    if returns is inspect.Parameter.empty:
        raise TypeError(
            f"register: {cls.__qualname__}: to_go: expected a function that says what it"
            f" returns, {getattr(to_go, '__qualname__', to_go)!r} does not"
        )
    try:
        # Before it counts itself: so no class stands for itself, by whatever detour.
        Table(strict=True).convert(returns, f"register: {cls.__qualname__}: to_go")
    except UnsupportedType as e:
        raise TypeError(str(e)) from None
    custom = Custom(returns, to_go, from_go)
    if _registered.setdefault(cls, custom) != custom:
        raise TypeError(f"register: {cls.__qualname__} is registered already, with others")


def find(cls: object) -> Custom | None:
    """The registration of a class or of its nearest base."""
    if not _registered or not isinstance(cls, type):
        return None
    return next((_registered[c] for c in cls.__mro__ if c in _registered), None)


def _returns(function: Callable[..., Any]) -> object:
    if isinstance(function, type):
        return function
    try:
        return typing.get_type_hints(function).get("return", inspect.Parameter.empty)
    except (NameError, TypeError):
        return inspect.Parameter.empty
