"""Functions of dataclasses, enums and registered classes, for an engine that knows none.

A message crosses the border with dicts, lists and scalars. Where a step's function
takes a dataclass, or what it returns may hold one, it is wrapped: dicts become
objects before it and objects dicts after it. TypedDicts are dicts and cost nothing.
"""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import types
import typing
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, cast, get_args, get_origin

from levada._custom import Custom, find
from levada._types import Annotations
from levada._variants import Choice
from levada.message import Message

__all__ = ["Adapted", "adapted"]

Convert = Callable[[Any], Any]


@dataclasses.dataclass(frozen=True)
class Adapted:
    """A function with what is done before and after it."""

    function: Callable[[Any], Any]
    takes: object
    plain: bool
    by_enum: bool
    make: Convert | None = dataclasses.field(compare=False, repr=False)

    def __call__(self, message: Any) -> Any:
        if self.make is not None:
            message = message.with_payload(self.make(message.payload))
        result = self.function(message)
        if self.by_enum and isinstance(result, Enum):
            return result.value
        return _plain(result) if self.plain else result


def adapted(
    function: Callable[[Any], Any], takes: object, said: Annotations, *, by_enum: bool
) -> Callable[[Any], Any]:
    """The function as the engine calls it: itself where nothing has to be done."""
    makes = _holds_object(takes, set())
    plain = makes or _holds_object(said.returns, set())
    if not plain and not by_enum:
        return function
    make = _Makers().of(takes) if makes else None
    return Adapted(function, takes if makes else Any, plain, by_enum, make)


def _holds_object(annotation: object, seen: set[object]) -> bool:
    """Whether a dataclass or a registered class is somewhere in a type."""
    annotation = _bare(annotation)
    if find(annotation) is not None:
        return True
    if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
        return True
    if typing.is_typeddict(annotation):
        if annotation in seen:
            return False
        seen.add(annotation)
        return any(_holds_object(h, seen) for h in _hints(annotation).values())
    return any(_holds_object(a, seen) for a in _arguments(annotation))


class _Makers:
    """Functions from dicts to objects, one per class; a recursive class meets its own
    in the table, which is why they are looked up when they are called."""

    def __init__(self) -> None:
        self._classes: dict[type, Convert] = {}

    def of(self, annotation: object) -> Convert:
        annotation = _bare(annotation)
        if (custom := find(annotation)) is not None:
            return self._registered(custom)
        if isinstance(annotation, type) and (
            dataclasses.is_dataclass(annotation) or typing.is_typeddict(annotation)
        ):
            return self._class(annotation)
        args = _arguments(annotation)
        if get_origin(annotation) is tuple and args[-1:] != [Ellipsis]:
            return self._positions(args)
        args = [a for a in args if a is not Ellipsis]
        if get_origin(annotation) in (typing.Union, types.UnionType) and len(args) > 1:
            return self._variant(args)
        inner = self.of(args[-1]) if args else _same
        if inner is _same:
            return _same
        match get_origin(annotation):
            case collections.abc.Sequence | builtins.list:
                return lambda v: None if v is None else [inner(x) for x in v]
            case collections.abc.Mapping | builtins.dict:
                return lambda v: None if v is None else {k: inner(x) for k, x in v.items()}
            case _:  # Optional
                return lambda v: None if v is None else inner(v)

    def _registered(self, custom: Custom) -> Convert:
        inner, make = self.of(custom.stands_for_it), custom.from_go
        return lambda v: None if v is None else make(inner(v))

    def _positions(self, args: list[object]) -> Convert:
        each = [self.of(a) for a in args]
        if all(c is _same for c in each):
            return _same
        return lambda v: None if v is None else tuple(c(x) for c, x in zip(each, v, strict=True))

    def _variant(self, args: list[object]) -> Convert:
        makers = [self.of(a) for a in args]
        if all(m is _same for m in makers):
            return _same
        choose = Choice(args)
        return lambda v: None if v is None else makers[choose(v)](v)

    def _class(self, cls: type) -> Convert:
        if cls not in self._classes:
            self._classes[cls] = lambda v: self._classes[cls](v)
            members = {k: c for k, h in _hints(cls).items() if (c := self.of(h)) is not _same}
            make = cls if dataclasses.is_dataclass(cls) else dict

            def convert(value: Any) -> Any:
                if not isinstance(value, dict):  # null
                    return value
                found = cast("dict[str, Any]", value)
                return make(**{k: members.get(k, _same)(v) for k, v in found.items()})

            self._classes[cls] = convert
        return self._classes[cls]


def _same(value: Any) -> Any:
    return value


def _bare(annotation: object) -> Any:
    """An annotation without what only type checkers read."""
    while True:
        if isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif hasattr(annotation, "__metadata__"):
            annotation = cast("Any", annotation).__origin__
        elif getattr(get_origin(annotation), "_name", "") in (
            "Required",
            "NotRequired",
            "ReadOnly",
        ):
            annotation = get_args(annotation)[0]
        else:
            return annotation


def _arguments(annotation: object) -> list[object]:
    if get_origin(annotation) is typing.Literal:
        return []
    return [a for a in get_args(annotation) if a is not type(None)]


def _hints(cls: Any) -> dict[str, object]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except NameError:
        # Where it matters, the conversion to plan types has told it already.
        return {}


def _plain(value: Any) -> Any:
    """Objects of dataclasses as dicts, and of registered classes as what stands for them,
    all the way down."""
    if (custom := find(type(value))) is not None:
        return _plain(custom.to_go(value))
    match value:
        case dict():
            return {k: _plain(v) for k, v in value.items()}
        case list() | tuple():
            return [_plain(v) for v in cast("list[Any]", value)]
        case str() | bytes() | int() | float() | None:
            return value
        case Message():
            return value.with_payload(_plain(value.payload))
        case Iterator():
            return map(_plain, value)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        case _:
            return value
