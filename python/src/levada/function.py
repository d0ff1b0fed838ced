"""Go functions as Python sees them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NoReturn, TypeVar, cast

from levada.errors import Origin, SettingError, Violation
from levada.message import Message

__all__ = ["GoFunction"]

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)


class GoFunction(Generic[In, Out]):
    """The base of the classes that ``levada build`` writes, one per Go function.

    An instance is a step's function and an ordinary callable too, so that a step can
    be tested with no pipeline. ``Out`` is ``Message[X]`` where the Go function returns
    a message.

    # Notes

    Constructing one does not load the compiled module, so that a process that only
    imports a pipeline stays free to fork; the first call does. Settings are checked
    against ``__levada_settings__`` at once.
    """

    if TYPE_CHECKING:

        def __call__(self, message: Message[In], /) -> Out:
            """Calls the Go function; a Go error or panic is raised as an exception."""
            ...

    else:
        # What is called is in a slot of the instance: once the module is loaded, the
        # compiled function itself, with no frame of Python in front of it. For one message
        # that frame would be a twentieth of the time.
        __slots__ = ("__call__", "__dict__", "__weakref__")

        def __getattr__(self, name: str) -> Any:
            # inspect looks for a function in the class, and there is none.
            if name == "__signature__":
                import inspect

                message = inspect.Parameter("message", inspect.Parameter.POSITIONAL_ONLY)
                return inspect.Signature([message])
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    __levada_function__: ClassVar[str]
    """The canonical name, ``go:<import path>.<Name>``."""

    __levada_settings__: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """The settings: name -> plan type."""

    __levada_extension__: ClassVar[str] = ""
    """The package that holds the compiled module; empty: the one of the class."""

    def __init__(self, *positional: Any, **settings: Any) -> None:
        name = type(self).__name__
        if not hasattr(self, "__levada_function__"):
            raise TypeError(f"{name}: expected a class that levada build has written")
        known = ", ".join(self.__levada_settings__)
        if positional:
            _refuse(f"{name}: expected settings by name, got {positional[0]!r} without one", known)
        for key, value in settings.items():
            if key not in self.__levada_settings__:
                _refuse(f"{name}: unexpected setting {key!r}", known)
            if wrong := _mismatch(self.__levada_settings__[key], value, f"$.{key}"):
                _refuse(f"{name}: setting {key!r}: {wrong}")
        if settings:
            from levada import _json

            try:
                _json.canonical(settings)
            except ValueError as e:
                _refuse(f"{name}: {e}")
        self._settings: dict[str, Any] = settings
        self._native: Any = None
        object.__setattr__(self, "__call__", self._first)

    @property
    def settings(self) -> dict[str, Any]:
        """What was set, a copy."""
        return dict(self._settings)

    def call_batch(self, messages: Iterable[Message[In]], /) -> list[Out]:
        """Calls the Go function for all messages in one crossing."""
        results: list[Out] = (self._native or self._loaded()).call_batch(messages)
        return results

    def _first(self, message: Message[In], /) -> Any:
        return self._loaded().call(message)

    def _loaded(self) -> Any:
        if self._native is None:
            from levada import _extension, _json

            native = _extension.load(_extension.package_of(type(self)))
            settings = _json.encode(_json.canonical(self._settings))
            self._native = native.Function(self.__levada_function__, settings)
            object.__setattr__(self, "__call__", self._native.call)
        return self._native

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), self._settings))

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._settings == cast("GoFunction[Any, Any]", other)._settings

    def __hash__(self) -> int:
        return hash((type(self), *sorted(self._settings)))

    def __repr__(self) -> str:
        settings = ", ".join(f"{k}={v!r}" for k, v in self._settings.items())
        return f"{type(self).__module__}.{type(self).__name__}({settings})"


def _refuse(text: str, known: str | None = None) -> NoReturn:
    """Raises the error of a setting, with the author's line; known are the names that
    there are, where the name is what is wrong."""
    hint = "" if known is None else f"it has {known or 'no settings'}"
    raise SettingError(Violation(text, origin=Origin.of_caller(), hint=hint)) from None


def _restore(cls: type[GoFunction[Any, Any]], settings: dict[str, Any]) -> GoFunction[Any, Any]:
    return cls(**settings)


_SCALARS: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "float32": (float, int),
    "float64": (float, int),
    "string": (str,),
    "bytes": (bytes,),
    "list": (list, tuple),
    "tuple": (list, tuple),
    "map": (dict,),
    "struct": (dict,),
    "ref": (dict,),
}
_PYTHON = {"float32": "float", "float64": "float", "string": "str", "map": "dict",
           "struct": "dict", "ref": "dict"}  # fmt: skip


def _mismatch(kind: Mapping[str, Any], value: object, path: str) -> str:
    """What is wrong with a setting, as far as it can be told without the compiled
    module; the rest (the members of a struct) is the module's."""
    name = str(kind["kind"])
    got = "None" if value is None else type(value).__name__
    if value is None:
        if kind.get("nullable") or name == "any":
            return ""
        return _expected("int" if "int" in name else _PYTHON.get(name, name), got, path)
    if name.startswith(("int", "uint")):
        if not isinstance(value, int) or isinstance(value, bool):
            return _expected("int", got, path)
        signed = not name.startswith("u")
        bits = int(name.lstrip("uint"))
        low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
        if not low <= value <= high:
            return f"expected {low} to {high}, got {value} - at `{path}`"
        return ""
    accepted = _SCALARS.get(name)
    if accepted is None:
        return ""
    if not isinstance(value, accepted) or (isinstance(value, bool) and name != "bool"):
        return _expected(_PYTHON.get(name, name), got, path)
    elem = kind.get("elem")
    if elem is not None and isinstance(value, list | tuple):
        members = enumerate(cast("list[object]", value))
        return next((w for i, v in members if (w := _mismatch(elem, v, f"{path}[{i}]"))), "")
    if elem is not None and isinstance(value, dict):
        items = cast("dict[object, object]", value).items()
        return next((w for k, v in items if (w := _mismatch(elem, v, f"{path}.{k}"))), "")
    return ""


def _expected(want: str, got: str, path: str) -> str:
    return f"expected `{want}`, got `{got}` - at `{path}`"
