"""Python annotations as plan types.

A plan type is the JSON form of plan.Type: members in the order kind, name, elem,
elems, unit, nullable, fields, extra, and empty ones left out.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import json
import sys
import types
import typing
from datetime import datetime, timedelta
from typing import Any, Literal, NamedTuple, Union, cast, get_args, get_origin

from levada._custom import find
from levada._names import module_name

__all__ = ["Annotations", "PlanType", "Table", "UnsupportedType", "has_layout", "read_annotations"]

PlanType = dict[str, Any]

ANY: PlanType = {"kind": "any"}

_SCALARS: dict[object, str] = {
    bool: "bool",
    int: "int64",
    float: "float64",
    str: "string",
    bytes: "bytes",
    datetime: "time",
    timedelta: "duration",
}
_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence)
_MAPS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_ITERATORS = (
    collections.abc.Iterator,
    collections.abc.Iterable,
    collections.abc.Generator,
)
_WRAPPERS = ("Annotated", "Required", "NotRequired", "ReadOnly")


class UnsupportedType(Exception):
    """An annotation that has no plan type; its text says where and why."""


class Table:
    """Collects the named types that a conversion meets.

    A strict table refuses what has no plan type: the author named it, so something
    was meant by it. One that is not takes it for any: an annotation that says more
    than the platform can check does no harm.
    """

    def __init__(self, *, strict: bool, classes: dict[str, type] | None = None) -> None:
        self.types: dict[str, PlanType] = {}
        self._strict = strict
        self._unions: list[tuple[object, ...]] = []  # being converted
        # Two tables of one pipeline share them: else two classes that are called alike
        # would have one name in the one and another in the other.
        self.classes: dict[str, type] = {} if classes is None else classes

    def declare(self, annotation: object) -> str:
        """The name in the table of the type that a parse declares; "" for any."""
        found = self.convert(annotation, "the type in the brackets of Parser")
        if found == ANY:
            return ""
        if found["kind"] == "ref" and not found.get("nullable"):
            return str(found["name"])
        # Only structs have names of their own; for the others the text is one, the
        # same in every language.
        name = text(found)
        self.types[name] = found
        return name

    def convert(self, annotation: object, place: str) -> PlanType:
        """The plan type of an evaluated annotation."""
        annotation = _bare(annotation)
        if annotation is Any or annotation is object:
            return ANY
        if isinstance(annotation, str | typing.ForwardRef):
            name = annotation if isinstance(annotation, str) else annotation.__forward_arg__
            return self._unsupported(f'{place}: expected a type, got its name in quotes, "{name}"')
        if isinstance(annotation, type) and annotation in _SCALARS:
            return {"kind": _SCALARS[annotation]}
        if (custom := find(annotation)) is not None:
            return self.convert(custom.stands_for_it, f"{place}: {_show(annotation)}")
        origin: object = get_origin(annotation)
        args = get_args(annotation)
        if origin in _LISTS or annotation in _LISTS:
            return {"kind": "list", "elem": self._elem(args[:1], place)}
        if origin in _MAPS or annotation in _MAPS:
            if args and args[0] not in (str, Any):
                return self._unsupported(f"{place}: expected str keys, got {_show(args[0])}")
            return {"kind": "map", "elem": self._elem(args[1:], place)}
        if origin is tuple or annotation is tuple:
            return self._tuple(args, place)
        if origin is Literal:
            return self._literal(args, place)
        if origin is Union or isinstance(annotation, types.UnionType):
            return self._union(args, place)
        if typing.is_typeddict(annotation) or type(annotation).__name__ == "_TypedDictMeta":
            return self._typed_dict(cast("type", annotation))
        if isinstance(annotation, type) and dataclasses.is_dataclass(annotation):
            return self._dataclass(annotation)
        return self._unsupported(
            f"{place}: expected a type that has a layout, got {_show(annotation)}"
        )

    def members(self) -> dict[str, Any]:
        """The table as a member of a plan or manifest; nothing where it is empty."""
        return {"types": dict(sorted(self.types.items()))} if self.types else {}

    def _elem(self, args: tuple[Any, ...], place: str) -> PlanType:
        return self.convert(args[0], place) if args else ANY

    def _tuple(self, args: tuple[Any, ...], place: str) -> PlanType:
        if not args or (len(args) == 2 and args[1] is Ellipsis):
            return {"kind": "list", "elem": self._elem(args[:1], place)}
        return {"kind": "tuple", "elems": [self.convert(a, place) for a in args]}

    def _literal(self, values: tuple[object, ...], place: str) -> PlanType:
        kinds = {type(v) for v in values if v is not None}
        if len(kinds) != 1 or (kind := _SCALARS.get(next(iter(kinds)))) is None:
            return self._unsupported(f"{place}: expected literals of one type, got {values!r}")
        return _type(kind, nullable=None in values)

    def _union(self, args: tuple[object, ...], place: str) -> PlanType:
        if args in self._unions:
            return self._unsupported(f"{place}: a type that contains itself must be a class")
        nullable = type(None) in args
        variants: list[PlanType] = []
        self._unions.append(args)
        try:
            found = [self.convert(a, place) for a in args if a is not type(None)]
        finally:
            self._unions.pop()
        if ANY in found:
            return ANY
        for t in found:
            nullable = nullable or bool(t.get("nullable"))
            for variant in t["elems"] if t["kind"] == "union" else [_not_null(t)]:
                if variant not in variants:
                    variants.append(variant)
        if len(variants) == 1:
            return _type(str(variants[0]["kind"]), **_rest(variants[0]), nullable=nullable)
        if problem := _untold(variants):
            return self._unsupported(f"{place}: {problem}")
        return _type("union", elems=variants, nullable=nullable)

    def _typed_dict(self, cls: type) -> PlanType:
        module = sys.modules.get(cls.__module__)
        generated = getattr(module, "__levada_types__", None)
        # Types of other packages, and instances of generic ones, are called differently.
        name = getattr(module, "__levada_names__", {}).get(cls.__name__)
        if generated is not None and (name or cls.__name__ in generated):
            return self._generated(cls, generated, name)

        def fields() -> list[PlanType]:
            hints = _hints(cls)
            optional: frozenset[str] = getattr(cls, "__optional_keys__", frozenset[str]())
            return [
                self._field(cls, key, hint, _presence(hint, key in optional))
                for key, hint in hints.items()
            ]

        # A dict of a TypedDict may hold more than the class names, and losing that
        # would be a surprise; PEP 728 lets the author close it.
        closed = getattr(cls, "__closed__", None) is True
        return self._struct(cls, fields, extra=not closed)

    def _dataclass(self, cls: type) -> PlanType:
        def fields() -> list[PlanType]:
            hints = _hints(cls)
            return [
                self._field(
                    cls,
                    f.name,
                    hints[f.name],
                    f.default is not dataclasses.MISSING
                    or f.default_factory is not dataclasses.MISSING,
                )
                for f in dataclasses.fields(cls)
                if f.init
            ]

        return self._struct(cls, fields, extra=False)

    def _field(self, cls: type, name: str, hint: object, optional: bool) -> PlanType:
        place = f'type {cls.__qualname__}: field "{name}"'
        out: PlanType = {"name": name, "type": self.convert(hint, place)}
        if optional:
            out["optional"] = True
        if out["type"] != ANY and (constant := _constant(hint)) is not None:
            out["const"] = constant
        return out

    def _struct(
        self, cls: type, fields: typing.Callable[[], list[PlanType]], *, extra: bool
    ) -> PlanType:
        name = self._name(cls)
        if name not in self.types:
            self.types[name] = ANY  # a recursive type meets itself below
            outer, self._unions = self._unions, []
            try:
                self.types[name] = _type("struct", fields=fields(), extra=extra)
            finally:
                self._unions = outer
        return {"kind": "ref", "name": name}

    def _name(self, cls: type) -> str:
        base = name = f"py:{module_name(cls.__module__)}:{cls.__qualname__}"
        n = 1
        while self.classes.setdefault(name, cls) is not cls:
            n += 1
            name = f"{base}#{n}"
        return name

    def _generated(self, cls: type, generated: dict[str, PlanType], name: str | None) -> PlanType:
        prefix = f"go:{sys.modules[cls.__module__].__dict__['__levada_package__']}."
        root = name or prefix + cls.__name__
        todo = [root]
        while todo:
            name = todo.pop()
            if name in self.types:
                continue
            found = generated.get(name.removeprefix(prefix), generated.get(name))
            if found is None:
                raise UnsupportedType(
                    f"type {cls.__qualname__}: BUG: {cls.__module__} does not describe {name}"
                )
            self.types[name] = found
            todo += _references(found)
        return {"kind": "ref", "name": root}

    def _unsupported(self, message: str) -> PlanType:
        if self._strict:
            raise UnsupportedType(message)
        return ANY


def literals(annotation: object) -> list[str | int | bool]:
    """The values of a Literal, without None; nothing where it is another type, or one that
    a JSON text has no scalar for."""
    annotation = _bare(annotation)
    args = get_args(annotation)
    if get_origin(annotation) in (Union, types.UnionType):
        rest = [a for a in args if a is not type(None)]
        return literals(rest[0]) if len(rest) == 1 else []
    if get_origin(annotation) is not Literal:
        return []
    values = [v for v in args if v is not None]
    return values if all(type(v) in (str, int, bool) for v in values) else []


def text(t: PlanType) -> str:
    """A type as messages show it, in the words of the plan."""
    kind = str(t["kind"])
    if kind == "list":
        kind = f"list[{text(t['elem'])}]"
    elif kind == "map":
        kind = f"map[string, {text(t['elem'])}]"
    elif kind == "tuple":
        kind = f"tuple[{', '.join(map(text, t['elems']))}]"
    elif kind == "union":
        kind = f"union[{', '.join(map(text, t['elems']))}]"
    elif kind == "ref":
        kind = str(t["name"])
    return f"{kind} or null" if t.get("nullable") else kind


def has_layout(cls: type) -> bool:
    """Whether values of a class cross as what they are."""
    return (
        cls in _SCALARS
        or cls in _LISTS
        or cls in _MAPS
        or cls in (object, tuple, type(None))
        or typing.is_typeddict(cls)
    )


class Annotations(NamedTuple):
    """What a function of a message says of itself; Any where it says nothing."""

    takes: object
    """Payload of the message."""
    returns: object
    """The result; the payload of it where the result is a message."""
    element: object
    """What the result yields one by one, where it does."""
    seq: bool
    """The result is an iterator."""
    meta: bool
    """The result is a message."""


def read_annotations(function: object) -> Annotations:
    """What the annotations of a function say."""
    from levada.message import Message

    takes: object = Any
    returns: object = Any
    found = _annotated(function)
    if found is not None:
        code = found.__code__
        names = code.co_varnames[: code.co_argcount]
        skip = 0 if isinstance(function, types.FunctionType) else 1
        hints = _evaluated(found)
        if len(names) > skip:
            parameter = hints.get(names[skip], Any)
            takes = _payload(parameter) if _is(parameter, Message) else Any
        returns = hints.get("return", Any)
    meta = _is(returns, Message)
    if meta:
        returns = _payload(returns)
    elif returns is None or returns is type(None):
        returns = Any
    origin = get_origin(returns) or returns
    seq = origin in _ITERATORS
    element = (get_args(returns) or (Any,))[0] if seq or origin in _LISTS else Any
    return Annotations(takes, returns, element, seq, meta)


def _annotated(function: object) -> types.FunctionType | None:
    """The Python function whose annotations count: that of a method or of an instance
    is the one underneath, that of a decorated function the one inside."""
    if isinstance(function, types.MethodType):
        function = function.__func__
    elif not isinstance(function, types.FunctionType):
        function = getattr(type(function), "__call__", None)  # noqa: B004
    if not isinstance(function, types.FunctionType):
        return None
    inner = inspect.unwrap(function)
    return inner if isinstance(inner, types.FunctionType) else function


def _evaluated(function: types.FunctionType) -> dict[str, object]:
    """The annotations, evaluated one by one: a name that only a type checker can see
    must not hide the others."""
    from levada.message import Message

    hints: dict[str, object] = {}
    for name, annotation in function.__annotations__.items():
        if isinstance(annotation, str):
            # "Message" is often imported for type checkers only.
            scope = {"Message": Message, **function.__globals__}
            holder = types.SimpleNamespace(__annotations__={name: annotation})
            try:
                hints[name] = typing.get_type_hints(holder, scope, include_extras=True)[name]
            except Exception:
                continue
        else:
            hints[name] = annotation
    return hints


def _bare(annotation: object) -> object:
    """What an alias, a NewType or a wrapper stands for."""
    while True:
        if isinstance(annotation, typing.NewType):
            annotation = annotation.__supertype__
        elif type(annotation).__name__ == "TypeAliasType":
            annotation = cast("Any", annotation).__value__
        elif _form(annotation) in _WRAPPERS:
            annotation = get_args(annotation)[0]
        else:
            return annotation


def _is(annotation: object, cls: type) -> bool:
    return annotation is cls or get_origin(annotation) is cls


def _payload(annotation: object) -> object:
    return (get_args(annotation) or (Any,))[0]


def _type(kind: str, **members: object) -> PlanType:
    """A plan type with its members in the plan's order, empty ones left out."""
    out: PlanType = {"kind": kind}
    for key in ("name", "elem", "elems", "unit", "nullable", "fields", "extra"):
        if value := members.get(key):
            out[key] = value
    return out


_FORMS = {
    "bool": "bool",
    **dict.fromkeys(("list", "tuple"), "array"),
    **dict.fromkeys(("ref", "struct", "map"), "object"),
    **dict.fromkeys(("string", "bytes", "time"), "string"),
}


def _untold(variants: list[PlanType]) -> str:
    """Why a message would not tell which variant it has; nothing where it does."""
    seen: dict[str, PlanType] = {}
    for v in variants:
        form = _FORMS.get(v["kind"], "number")
        first = seen.setdefault(form, v)
        if first is not v and not first["kind"] == v["kind"] == "ref":
            return (
                "expected variants that can be told apart,"
                f" {text(first)} and {text(v)} are both a JSON {form}"
            )
    return ""


def _rest(t: PlanType) -> PlanType:
    return {k: v for k, v in t.items() if k not in ("kind", "nullable")}


def _not_null(t: PlanType) -> PlanType:
    return _type(str(t["kind"]), **_rest(t))


def _references(t: PlanType) -> list[str]:
    found = [str(t["name"])] if t["kind"] == "ref" else []
    if "elem" in t:
        found += _references(t["elem"])
    for elem in t.get("elems", ()):
        found += _references(elem)
    for field in t.get("fields", ()):
        found += _references(field["type"])
    return found


def _hints(cls: type) -> dict[str, object]:
    try:
        return typing.get_type_hints(cls, include_extras=True)
    except Exception as e:
        raise UnsupportedType(
            f"type {cls.__qualname__}: expected annotations that can be evaluated, "
            f"got {type(e).__name__}: {e}"
        ) from e


def _presence(hint: object, optional: bool) -> bool:
    """Whether the member may be absent. The class itself misses a NotRequired that is
    text, as all annotations are under ``from __future__ import annotations``."""
    while (form := _form(hint)) in _WRAPPERS:
        if form == "NotRequired":
            return True
        if form == "Required":
            return False
        hint = get_args(hint)[0]
    return optional


def _constant(hint: object) -> str | None:
    """The JSON text of the only value that a member may have besides None."""
    while _form(hint) in _WRAPPERS:
        hint = get_args(hint)[0]
    if get_origin(hint) is Union or isinstance(hint, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        hint = rest[0] if len(rest) == 1 else None
    if get_origin(hint) is not Literal:
        return None
    values = [v for v in get_args(hint) if v is not None]
    if len(values) != 1 or type(values[0]) not in (str, int, bool):
        return None
    if isinstance(values[0], int) and not -(2**63) <= values[0] < 2**63:
        return None  # no value of the type either
    return json.dumps(values[0], ensure_ascii=False)


def _form(annotation: object) -> str:
    """The name of a special form, whether it comes from typing or typing_extensions."""
    if hasattr(annotation, "__metadata__"):
        return "Annotated"
    return getattr(get_origin(annotation), "_name", None) or ""


def _show(annotation: object) -> str:
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return annotation.__qualname__
    return str(annotation).replace("typing.", "")
