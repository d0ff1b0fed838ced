"""Immutable values with named fields.

These are frozen dataclasses to their readers and to type checkers. The decorator of
the standard library writes and compiles the methods of every class anew, which would
be two thirds of the time that importing this package takes; here they are written once.
"""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple, dataclass_transform

__all__ = ["Frozen", "option"]


class _Required:
    """The default of a field that has none."""


class _Option(NamedTuple):
    default: Any
    init: bool
    kw_only: bool
    compare: bool


def option(
    *,
    default: Any = _Required,
    init: bool = True,
    kw_only: bool = False,
    compare: bool = True,
) -> Any:
    """A field with more to say than its default.

    Args:
        default: the value where none is given.
        init: whether a value can be given; the class sets it otherwise.
        kw_only: whether it is given by its name only.
        compare: whether it counts for equality and is shown.
    """
    return _Option(default, init, kw_only, compare)


@dataclass_transform(frozen_default=True, field_specifiers=(option,))
class Frozen:
    """The base of immutable values. Every annotation of a subclass is a field."""

    _fields: ClassVar[dict[str, _Option]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        fields = dict(cls._fields)
        for name, annotation in cls.__dict__.get("__annotations__", {}).items():  # noqa: RUF063
            # Annotations are texts in every module of this package.
            if annotation.startswith("ClassVar"):
                continue
            default = cls.__dict__.get(name, _Required)
            if not isinstance(default, _Option):
                default = _Option(default, init=True, kw_only=False, compare=True)
            elif name in cls.__dict__:
                delattr(cls, name)
            fields[name] = default
        cls._fields = fields

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = type(self).__name__
        fields = {k: f for k, f in self._fields.items() if f.init}
        positional = [k for k, f in fields.items() if not f.kw_only]
        if len(args) > len(positional):
            raise TypeError(
                f"{name}: expected at most {len(positional)} arguments without a name, "
                f"got {len(args)}"
            )
        given = dict(zip(positional, args, strict=False))
        for key, value in kwargs.items():
            if key not in fields:
                raise TypeError(f"{name}: unexpected argument {key!r}")
            if key in given:
                raise TypeError(f"{name}: argument {key!r} is given twice")
            given[key] = value
        for key, field in fields.items():
            value = given.get(key, field.default)
            if value is _Required:
                raise TypeError(f"{name}: expected an argument {key!r}")
            object.__setattr__(self, key, value)
        self.__post_init__()

    def __post_init__(self) -> None:
        """Called when all fields are set."""

    def _compared(self) -> tuple[Any, ...]:
        return tuple(getattr(self, k) for k, f in self._fields.items() if f.compare)

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._compared() == other._compared()

    def __hash__(self) -> int:
        return hash((type(self), self._compared()))

    def __repr__(self) -> str:
        shown = (f"{k}={getattr(self, k)!r}" for k, f in self._fields.items() if f.compare)
        return f"{type(self).__qualname__}({', '.join(shown)})"

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} can not be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is immutable: {name!r} can not be deleted")
