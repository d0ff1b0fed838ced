"""Functions that take or return bytes for an engine that hands values over as text.

Where a step says ``crossing="json"``, the engine gives its function the JSON text of a
payload, and wants the text of the result. ``Carrier`` makes of the function as the author
wrote it one that does so: the values it sees are those that it would see without the word.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol, cast

from levada import _msgpack
from levada._adapt import Adapted
from levada._types import read_annotations
from levada._variants import fitting, kinds_of

__all__ = ["CARRIER", "Carrier", "Misfit", "conversion", "converters"]

CARRIER = "levada:crossing"
"""The name by which the engine asks for it."""

PlanType = dict[str, Any]
Types = dict[str, PlanType]
Read = Callable[[Any], Any]
"""From what a text holds to the value that a function gets."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNITS = {
    "s": Decimal(1_000_000),
    "ms": Decimal(1000),
    "us": Decimal(1),
    "ns": Decimal("0.001"),
}
"""Microseconds in one."""
_INTS = {
    f"{sign}int{bits}": (0 if sign else -(1 << (bits - 1)), 1 << (bits if sign else bits - 1))
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
}
_LARGEST, _SMALLEST = 1 << 64, -(1 << 63)


class Misfit(TypeError):
    """A value that a type has no place for, with the path to it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self._what = what
        self._path = ""

    def within(self, segment: str) -> Misfit:
        """The same, seen from one level further out."""
        self._path = segment + self._path
        return self

    def __str__(self) -> str:
        return f"returned value: {self._what} - at `${self._path}`"


class Carrier:
    """Makes functions of bytes; the engine calls it once per lane and step."""

    def __init__(self, functions: dict[str, Callable[[Any], Any]]) -> None:
        self._functions = functions

    def __call__(self, message: Any) -> Callable[[Any], Any]:
        """The function that a wish asks for, JSON text in the payload of a message."""
        wish = json.loads(message.payload)
        function = self._functions[wish["function"]] if "function" in wish else _payload
        took, gave = wish.get("in"), wish.get("out")
        return _Carried(
            function,
            conversion(took, function).read if took else None,
            conversion(gave, function).write if gave else None,
            wish["kind"] == "flat_map",
        )


def converters(functions: dict[str, Callable[[Any], Any]]) -> dict[str, Callable[[Any], Any]]:
    """The functions of a pipeline as the engine gets them."""
    return {**functions, CARRIER: Carrier(functions)}


class _Carried:
    def __init__(
        self,
        function: Callable[[Any], Any],
        read: Callable[[Any], Any] | None,
        write: Callable[[Any], bytes | None] | None,
        several: bool,
    ) -> None:
        self._function = function
        self._read = read
        self._write = write
        self._several = several

    def __call__(self, message: Any) -> Any:
        if self._read is not None:
            message = message.with_payload(self._read(message.payload))
        result = self._function(message)
        if self._write is None:
            return result
        if not self._several:
            return self._leave(result)
        if isinstance(result, list | tuple | Iterator):
            return map(self._leave, result)  # pyright: ignore[reportUnknownArgumentType]
        return result  # which the engine refuses in its own words, or takes apart

    def _leave(self, result: Any) -> Any:
        write = cast("Callable[[Any], Any]", self._write)
        if hasattr(type(result), "with_payload"):  # a message, of the engine or of the author
            return result.with_payload(write(result.payload))
        return write(result)


def _payload(message: Any) -> Any:
    return message.payload


class Conversion(NamedTuple):
    """Both directions of a way across; None: nothing has to be done."""

    read: Callable[[Any], Any] | None
    write: Callable[[Any], bytes | None] | None


def conversion(told: dict[str, Any], function: Any) -> Conversion:
    """The conversion that the engine tells of: a word and a type.

    Args:
        told: ``word``, and ``type`` with the ``types`` that it refers to; any where there is none.
        function: what the values are for; of it the word ``protobuf`` takes the class.
    """
    if told["word"] == "protobuf":
        return Conversion(_message_of(function), _serialized)
    form = _FORMATS[told["word"]]()
    found = told.get("type", {"kind": "any"})
    types = told.get("types", {})
    read, load = _Reader(form, types).of(found), form.loads
    write, done = _Writer(form, types).of(found), form.done

    def takes(text: Any) -> Any:
        value = load(text)
        return value if read is None else read(value)

    def gives(value: Any) -> bytes:
        return done(write(value))

    return Conversion(takes, gives)


def _message_of(function: Any) -> Callable[[Any], Any] | None:
    """What makes a message of its bytes, where the function takes a class that can."""
    if isinstance(function, Adapted):
        function = function.function
    make = getattr(read_annotations(function).takes, "FromString", None)
    if make is None:
        return None
    return lambda b: None if b is None else make(b)


def _serialized(value: Any) -> Any:
    """The bytes of a message; what is none, the engine refuses in its own words."""
    return value.SerializeToString() if hasattr(value, "SerializeToString") else value


class _Format(Protocol):
    """A format: what its texts hold, and pieces of such texts."""

    binary: bool
    """Bytes and times are values of their own, and no text."""

    null: Any
    truth: tuple[Any, Any]
    """False and true."""

    def loads(self, text: bytes) -> Any: ...
    def done(self, piece: Any) -> bytes: ...
    def text(self, value: str) -> Any: ...
    def integer(self, value: int) -> Any: ...
    def real(self, value: float) -> Any: ...
    def blob(self, value: bytes) -> Any: ...
    def moment(self, value: datetime) -> Any: ...
    def ticks(self, micros: int, unit: str) -> Any: ...
    def array(self, pieces: list[Any]) -> Any: ...
    def key(self, name: str) -> Any:
        """What stands in front of the value of a member."""
        ...

    def members(self, pieces: list[Any]) -> Any:
        """An object of values, each with its key in front."""
        ...


class _Json:
    binary = False
    null = "null"
    truth = ("false", "true")

    def loads(self, text: bytes) -> Any:
        return (_decode_zeroes if b"-0" in text else _decode)(text.decode())

    def done(self, piece: str) -> bytes:
        try:
            return piece.encode()
        except UnicodeEncodeError:
            raise _lone() from None

    def text(self, value: str) -> str:
        return _quoted(value)

    def integer(self, value: int) -> str:
        return int.__repr__(value)

    def real(self, value: float) -> str:
        text = float.__repr__(value)
        if text in ("nan", "inf", "-inf"):
            raise Misfit(f"expected a number that JSON has, got {text}")
        return text

    def blob(self, value: bytes) -> str:
        return f'"{base64.b64encode(value).decode()}"'

    def moment(self, value: datetime) -> str:
        return f'"{value.astimezone(UTC).replace(tzinfo=None).isoformat()}Z"'

    def ticks(self, micros: int, unit: str) -> str:
        return _in_unit(micros, unit)

    def array(self, pieces: list[str]) -> str:
        return f"[{','.join(pieces)}]"

    def key(self, name: str) -> str:
        return f"{_quoted(name)}:"

    def members(self, pieces: list[str]) -> str:
        return f"{{{','.join(pieces)}}}"


# A number with a fraction is a time or duration in a unit, which a float has too few digits
# for, or a float: what it is, the type says.
_decode = json.JSONDecoder(parse_float=Decimal).decode
# A zero below zero is a float; asking of each integer whether it is one would take long.
_decode_zeroes = json.JSONDecoder(
    parse_float=Decimal, parse_int=lambda s: Decimal(s) if s == "-0" else int(s)
).decode
_quoted: Callable[[str], str] = json.encoder.encode_basestring


def _in_unit(micros: int, unit: str) -> str:
    """A number of microseconds in a unit, with the digits it takes."""
    text = format((Decimal(micros) / _UNITS[unit]).normalize(), "f")
    return "0" if text in ("-0", "0") else text


class _Msgpack:
    binary = True
    null = b"\xc0"
    truth = (b"\xc2", b"\xc3")

    def loads(self, text: bytes) -> Any:
        return _msgpack.Reader(text).whole()

    def done(self, piece: bytes) -> bytes:
        return piece

    def text(self, value: str) -> bytes:
        return _packed(value)

    def integer(self, value: int) -> bytes:
        return _msgpack.number(value)

    def real(self, value: float) -> bytes:
        return _msgpack.number(float(value))

    def blob(self, value: bytes) -> bytes:
        return _msgpack.blob(value)

    def moment(self, value: datetime) -> bytes:
        return _msgpack.timestamp(value)

    def ticks(self, micros: int, unit: str) -> bytes:
        exact = Decimal(micros) / _UNITS[unit]
        whole = exact == exact.to_integral_value() and _SMALLEST <= exact < _LARGEST
        return _msgpack.number(int(exact) if whole else float(exact))

    def array(self, pieces: list[bytes]) -> bytes:
        return _msgpack.head(len(pieces), members=False) + b"".join(pieces)

    def key(self, name: str) -> bytes:
        return _packed(name)

    def members(self, pieces: list[bytes]) -> bytes:
        return _msgpack.head(len(pieces), members=True) + b"".join(pieces)


def _packed(value: str) -> bytes:
    try:
        return _msgpack.text(value)
    except UnicodeEncodeError:
        raise _lone() from None


def _lone() -> Misfit:
    return Misfit("expected `str` of whole characters, got one with a lone surrogate")


_FORMATS: dict[str, Callable[[], _Format]] = {"json": _Json, "msgpack": _Msgpack}


def _unit(t: PlanType) -> str:
    """The unit of a time or duration whose text is a number; empty: it is none."""
    unit = str(t.get("unit", "")).removeprefix("unix_")
    if unit == "unix":
        return "s"
    return unit or ("ms" if t["kind"] == "duration" else "")


class _Reader:
    def __init__(self, form: _Format, types: Types) -> None:
        self._form = form
        self._types = types
        self._named: dict[str, Read | None] = {}
        self._open: set[str] = set()

    def of(self, t: PlanType) -> Read | None:
        """What has to be done to a value of a type; None: nothing."""
        read = self._bare(t)
        if read is None or not t.get("nullable"):
            return read
        return lambda v: None if v is None else read(v)

    def _bare(self, t: PlanType) -> Read | None:
        match t["kind"]:
            case "ref":
                return self._ref(t["name"])
            case "float64":
                return float
            case "float32":
                return _narrow
            case "union":
                return self._union([self._resolved(e) for e in t["elems"]])
            case "bytes":
                return None if self._form.binary else base64.b64decode
            case "time":
                if unit := _unit(t):
                    return _scaled(unit, lambda micros: _EPOCH + timedelta(microseconds=micros))
                return None if self._form.binary else _instant
            case "duration":
                return _scaled(_unit(t), lambda micros: timedelta(microseconds=micros))
            case "list":
                each = self.of(t["elem"])
                return None if each is None else lambda v: [each(x) for x in v]
            case "map":
                inner = self.of(t["elem"])
                return None if inner is None else lambda v: {k: inner(x) for k, x in v.items()}
            case "tuple":
                return _positions([self.of(e) or _same for e in t["elems"]])
            case "struct":
                return self._struct(t)
            case "any":
                return None if self._form.binary else _floats
            case _:
                return None

    def _resolved(self, t: PlanType) -> PlanType:
        return self._resolved(self._types[t["name"]]) if t["kind"] == "ref" else t

    def _union(self, variants: list[PlanType]) -> Read:
        # A recursive one is read when it is met.
        reads: list[Read | None] = []

        def read(value: Any) -> Any:
            if not reads:
                reads.extend(map(self.of, variants))
            fit = fitting(variants, self._kinds(value), value)
            if len(fit) != 1:
                raise ValueError(f"expected one variant for {value!r}, got {len(fit)}")
            convert = reads[fit[0]]
            return value if convert is None else convert(value)

        return read

    def _kinds(self, value: Any) -> set[str]:
        """The kinds of types that a piece of text may be of."""
        if isinstance(value, bool | list | dict) or self._form.binary:
            found = kinds_of(value)
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return found | {"duration", "time"} if number else found
        if isinstance(value, str):
            return {"string", "bytes", "time"}
        return kinds_of(0) | {"duration", "time"}

    def _ref(self, name: str) -> Read | None:
        if name in self._open:  # a recursive type meets itself
            return lambda v: self._again(name, v)
        if name not in self._named:
            self._open.add(name)
            self._named[name] = self.of(self._types[name])
            self._open.remove(name)
        return self._named[name]

    def _again(self, name: str, value: Any) -> Any:
        read = self._named[name]
        return value if read is None else read(value)

    def _struct(self, t: PlanType) -> Read | None:
        fields: list[PlanType] = t.get("fields", [])
        named = {f["name"] for f in fields}
        reads = [(f["name"], r) for f in fields if (r := self._field(f["type"])) is not None]
        others = bool(t.get("extra")) and not self._form.binary
        if not reads and not others:
            return None

        def read(value: Any) -> Any:
            for key, convert in reads:
                if key in value:
                    value[key] = convert(value[key])
            if others and len(value) > 0:
                for key in value.keys() - named:
                    value[key] = _floats(value[key])
            return value

        return read

    def _field(self, t: PlanType) -> Read | None:
        read = self.of(t)
        # A null that the type does not allow stands for nothing at all.
        return None if read is None else lambda v: None if v is None else read(v)


def _positions(reads: list[Read]) -> Read:
    return lambda v: tuple(r(x) for r, x in zip(reads, v, strict=True))


def _same(value: Any) -> Any:
    return value


_SINGLE = struct.Struct("<f")


def _narrow(value: Any) -> float:
    """What 32 bits hold of a number; the text has as many digits as tell it from others."""
    return float(_SINGLE.unpack(_SINGLE.pack(value))[0])


def _scaled(unit: str, make: Callable[[int], Any]) -> Read:
    per = _UNITS[unit]
    whole = int(per)

    def read(value: Any) -> Any:
        if isinstance(value, int) and whole:
            return make(value * whole)
        if isinstance(value, float):  # it has the digits of a whole number of microseconds
            return make(round(Decimal(value) * per))
        return make(int(value * per))

    return read


def _instant(text: str) -> datetime:
    # A fraction has as many digits as it takes, which fromisoformat takes since 3.11.
    return datetime.fromisoformat(text)


def _floats(value: Any) -> Any:
    """A value of no type: fractions were kept as they stand in the text, and an integer
    beyond 64 bits is a float."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, int):
        return value if _SMALLEST <= value < _LARGEST else float(value)
    if isinstance(value, dict):
        for k, v in value.items():  # pyright: ignore[reportUnknownVariableType]
            if isinstance(v, Decimal | int | dict | list):
                value[k] = _floats(v)
    elif isinstance(value, list):
        return [_floats(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value  # pyright: ignore[reportUnknownVariableType]


class _Writer:
    """From a value to a piece of text. What it refuses is what the engine refuses where
    values cross as frames, in the same words."""

    def __init__(self, form: _Format, types: Types) -> None:
        self._form = form
        self._types = types
        self._named: dict[str, Read] = {}

    def of(self, t: PlanType) -> Read:
        write = self._bare(t)
        if not t.get("nullable"):
            return write
        null = self._form.null
        return lambda v: null if v is None else write(v)

    def _bare(self, t: PlanType) -> Read:
        form = self._form
        text, integer, real, (false, true) = form.text, form.integer, form.real, form.truth
        kind: str = t["kind"]
        match kind:
            case "ref":
                return self._ref(t["name"])
            case "bool":
                return lambda v: true if v is True else false if v is False else _misfit("bool", v)
            case "string":
                return lambda v: text(v) if isinstance(v, str) else _misfit("str", v)
            case "float32" | "float64":
                return lambda v: real(v if type(v) is float else _float(v))
            case "bytes":
                return lambda v: form.blob(v) if isinstance(v, bytes) else _misfit("bytes", v)
            case "time":
                if unit := _unit(t):
                    return lambda v: form.ticks((_aware(v) - _EPOCH) // _MICROSECOND, unit)
                return lambda v: form.moment(_aware(v))
            case "duration":
                unit = _unit(t)
                return lambda v: form.ticks(_length(v), unit)
            case "list":
                return self._list(self.of(t["elem"]))
            case "tuple":
                return self._tuple([self.of(e) for e in t["elems"]])
            case "map":
                return self._map(self.of(t["elem"]))
            case "struct":
                return self._struct(t)
            case "any":
                return self.any
            case "union":
                return self._union(t["elems"])
            case _:
                low, high = _INTS[kind]
                return lambda v: integer(
                    v if type(v) is int and low <= v < high else _int(v, kind, low, high)
                )

    def _ref(self, name: str) -> Read:
        if name not in self._named:
            self._named[name] = lambda v: self._named[name](v)
            self._named[name] = self.of(self._types[name])
        return self._named[name]

    def _union(self, elems: list[PlanType]) -> Read:
        variants = [self._resolved(e) for e in elems]
        writes = [self.of(e) for e in elems]
        names = " or ".join(map(_variant, elems))

        def write(value: Any) -> Any:
            fit = fitting(variants, kinds_of(value), value)
            if len(fit) != 1:
                of_them = f"{len(fit)} of them" if fit else "none of them"
                raise Misfit(f"expected {names}, got `{_name(value)}` that may be {of_them}")
            return writes[fit[0]](value)

        return write

    def _resolved(self, t: PlanType) -> PlanType:
        return self._resolved(self._types[t["name"]]) if t["kind"] == "ref" else t

    def _list(self, write: Read) -> Read:
        form = self._form

        def each(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                return _misfit("list", value)
            return form.array(_elements(write, value))  # pyright: ignore[reportUnknownArgumentType]

        return each

    def _tuple(self, writes: list[Read]) -> Read:
        form, n = self._form, len(writes)

        def each(value: Any) -> Any:
            if not isinstance(value, list | tuple):
                return _misfit("tuple", value)
            values: list[Any] = list(value)  # pyright: ignore[reportUnknownArgumentType]
            if len(values) != n:
                raise Misfit(f"expected {n} elements, got {len(values)}")
            pieces: list[Any] = []
            for i, (write, v) in enumerate(zip(writes, values, strict=True)):
                try:
                    pieces.append(write(v))
                except Misfit as e:
                    raise e.within(f"[{i}]") from None
            return form.array(pieces)

        return each

    def _map(self, write: Read) -> Read:
        form = self._form

        def each(value: Any) -> Any:
            if not isinstance(value, dict):
                return _misfit("dict", value)
            return form.members(_entries(form, write, value.items()))  # pyright: ignore[reportUnknownArgumentType]

        return each

    def _struct(self, t: PlanType) -> Read:
        form, extra = self._form, bool(t.get("extra"))
        fields = [
            (f["name"], form.key(f["name"]), self._constant(f), bool(f.get("optional")))
            for f in t.get("fields", [])
        ]
        named = {f[0] for f in fields}

        def each(value: Any) -> Any:
            if not isinstance(value, dict):
                return _misfit("dict", value)
            members: dict[Any, Any] = value
            pieces: list[Any] = []
            for key, head, write, optional in fields:
                try:
                    pieces.append(head + write(members[key]))
                except KeyError:
                    if key in members:
                        raise
                    if not optional:
                        raise Misfit(f"missing member `{key}`") from None
                except Misfit as e:
                    raise e.within(_member(key)) from None
            if extra and len(members) > len(pieces):
                pieces += _entries(
                    form, self.any, ((k, v) for k, v in members.items() if k not in named)
                )
            return form.members(pieces)

        return each

    def _constant(self, field: PlanType) -> Read:
        write = self.of(field["type"])
        if "const" not in field:
            return write
        only, nullable = json.loads(field["const"]), field["type"].get("nullable")

        def check(value: Any) -> Any:
            piece = write(value)
            if value != only and not (value is None and nullable):
                raise Misfit(f"expected `{only!r}`, got `{value!r}`")
            return piece

        return check

    def any(self, value: Any) -> Any:
        """A piece for a value of no type."""
        form = self._form
        match value:
            case None:
                return form.null
            case bool():
                return form.truth[value]
            case str():
                return form.text(value)
            case int():
                if not _SMALLEST <= value < _LARGEST:
                    return _range("64 bits", value)
                return form.integer(value)
            case float():
                return form.real(value)
            case dict():
                return form.members(_entries(form, self.any, value.items()))  # pyright: ignore[reportUnknownArgumentType]
            case list() | tuple():
                return form.array(_elements(self.any, value))  # pyright: ignore[reportUnknownArgumentType]
            case bytes():
                return form.blob(value)
            case datetime():
                return form.moment(_aware(value))
            case timedelta():
                return form.ticks(_length(value), "ms")
            case _:
                return _misfit(
                    "None`, `bool`, `int`, `float`, `str`, `bytes`, `datetime`, `timedelta`,"
                    " `list` or `dict",
                    value,
                )


def _elements(write: Read, values: Any) -> list[Any]:
    pieces: list[Any] = []
    try:
        for v in values:
            pieces.append(write(v))
    except Misfit as e:
        raise e.within(f"[{len(pieces)}]") from None
    return pieces


def _entries(form: _Format, write: Read, items: Any) -> list[Any]:
    pieces: list[Any] = []
    for k, v in items:
        if not isinstance(k, str):
            raise Misfit(f"expected keys of `str`, got one of `{_name(k)}`")
        try:
            pieces.append(form.key(k) + write(v))
        except Misfit as e:
            raise e.within(_member(k)) from None
    return pieces


def _variant(t: PlanType) -> str:
    return str(t.get("name", t["kind"])).rpartition(".")[2].rpartition(":")[2]


def _member(key: str) -> str:
    return f".{key}" if key.isascii() and key.isidentifier() else f'["{key}"]'


def _name(value: object) -> str:
    return "None" if value is None else type(value).__name__


def _misfit(expected: str, value: object) -> Any:
    raise Misfit(f"expected `{expected}`, got `{_name(value)}`")


def _range(expected: str, value: int) -> Any:
    try:
        shown = str(value)
    except ValueError:  # too many digits for Python itself
        shown = ""
    got = shown if 0 < len(shown) <= 40 else "a larger one"
    raise Misfit(f"expected `int` of {expected}, got {got}")


def _int(value: Any, kind: str, low: int, high: int) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _misfit("int", value)
    if not low <= value < high:
        _range(kind, value)
    return int(value)


def _float(value: Any) -> float:
    if isinstance(value, float):
        return float(value)
    if not isinstance(value, int) or isinstance(value, bool):
        _misfit("float", value)
    try:
        return float(value)
    except OverflowError:
        return float(_range("the range of float", value))


def _aware(value: Any) -> datetime:
    if not isinstance(value, datetime):
        return cast("datetime", _misfit("datetime", value))
    if value.utcoffset() is None:
        raise Misfit("expected `datetime` with a time zone, got one without")
    return value


def _length(value: Any) -> int:
    if not isinstance(value, timedelta):
        return int(_misfit("timedelta", value))
    micros = value // _MICROSECOND
    if not -(1 << 63) <= micros < 1 << 63:
        raise Misfit("expected `timedelta` within 64 bits of microseconds, got a longer one")
    return micros
