"""The steps of a pipeline, and what they take.

Every step is an immutable description. A step that takes a message of ``In`` and
passes on one of ``Out`` is a ``Step[In, Out]``: that is what makes a wrong neighbour
a mistake that a type checker sees.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, get_args, overload

from levada._frozen import Frozen, option
from levada.errors import InvalidPipelineError, Origin, Violation
from levada.function import GoFunction
from levada.message import Message

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    T_parsed = TypeVarWithDefault("T_parsed", default=Any, covariant=True)
else:
    T_parsed = TypeVar("T_parsed", covariant=True)

__all__ = [
    "Batch",
    "Filter",
    "FlatMap",
    "Map",
    "Parser",
    "Retry",
    "Serializer",
    "Step",
    "StreamSink",
]

In = TypeVar("In", contravariant=True)
Out = TypeVar("Out", covariant=True)
T = TypeVar("T")

Policy = Literal["fail", "skip", "dead_letter"]
"""What becomes of a message that a step fails on, after its retries."""

Crossing = Literal["frame", "json", "msgpack", "protobuf", "raw", "custom"]
"""How payloads cross between Go and Python at a step; without a word as frames."""


# The bounds of a Retry, which are those of the plan.
_MAX_RETRIES = 1000
_MAX_BACKOFF = timedelta(minutes=1)


class Retry(Frozen):
    """Repeats a failing call before the policy applies.

    Attributes:
        times: how often the call is repeated, 1 to 1000.
        backoff: the wait before the first repetition, at most a minute; each further
            one waits twice as long, at most a minute too. Whole milliseconds.
    """

    times: int
    backoff: timedelta = timedelta(0)

    def __post_init__(self) -> None:
        times, backoff = self.times, self.backoff
        if not isinstance(times, int) or isinstance(times, bool):
            raise _mistake(f"retry: expected times to be an int, got {times!r}")
        if not 1 <= times <= _MAX_RETRIES:
            raise _mistake(f"retry: expected times from 1 to {_MAX_RETRIES}, got {times}")
        if not isinstance(backoff, timedelta):
            raise _mistake(f"retry: expected backoff to be a timedelta, got {backoff!r}")
        if not timedelta(0) <= backoff <= _MAX_BACKOFF:
            raise _mistake(
                f"retry: expected a backoff from 0 to {milliseconds(_MAX_BACKOFF)} ms, "
                f"got {milliseconds(backoff)} ms"
            )


class Node(Frozen):
    """What all named nodes of a pipeline have: the steps, its source, its sinks."""

    name: str
    on_error: Policy | None = option(default=None, kw_only=True)
    retry: Retry | None = option(default=None, kw_only=True)
    origin: Origin = option(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", Origin.of_caller())
        if not isinstance(self.name, str) or not self.name:
            raise self.mistake(f"expected a name, got {self.name!r}")
        if self.on_error is not None and self.on_error not in _POLICIES:
            raise self.mistake(
                f"expected on_error to be fail, skip or dead_letter, got {_quoted(self.on_error)}",
                hint=_other_policy(self.on_error),
            )
        if self.retry is not None and not isinstance(self.retry, Retry):
            raise self.mistake(
                f"expected retry to be a Retry, got {type(self.retry).__name__}",
                hint="write retry=Retry(3)",
            )

    def mistake(self, text: str, *, hint: str = "") -> InvalidPipelineError:
        """An error at the place of this step."""
        name = self.name if isinstance(self.name, str) else ""
        return InvalidPipelineError(Violation(text, name, self.origin, hint))


class Step(Node, Generic[In, Out]):
    """A step that takes a message of ``In`` and passes on messages of ``Out``."""


AnyFunction = Callable[[Message[Any]], Any] | type[GoFunction[Any, Any]] | str
"""A function as a step keeps it. A string is the dotted name of one."""


class Calling(Step[In, Out]):
    """A step that calls a function of the user."""

    function: AnyFunction
    crossing: Crossing | None = option(default=None, kw_only=True)

    def _init(
        self,
        name: str,
        function: Any,
        on_error: Policy | None,
        retry: Retry | None,
        crossing: Crossing | None,
    ) -> None:
        # The subclasses have overloads instead of the __init__ of their fields.
        Frozen.__init__(self, name, function, on_error=on_error, retry=retry, crossing=crossing)
        check_function(self, function)
        check_crossing(self, crossing)


def check_crossing(node: Node, crossing: object) -> None:
    """Refuses what is no word for a crossing."""
    if crossing is not None and crossing not in _CROSSINGS:
        known = f"{', '.join(_CROSSINGS[:-1])} or {_CROSSINGS[-1]}"
        raise node.mistake(f"expected crossing to be {known}, got {_quoted(crossing)}")


def check_function(node: Node, function: object) -> None:
    """Refuses at once what can never be a step's function."""
    if isinstance(function, str):
        if not all(part.isidentifier() for part in function.replace(":", ".").split(".")):
            raise node.mistake(
                f'expected a dotted name like "package.module.function", got {function!r}'
            )
        return
    if not callable(function):
        raise node.mistake(f"expected a function, got {type(function).__name__}")
    bodies = [function] if isinstance(function, type) else [function, type(function).__call__]
    if any(map(_is_async, bodies)):
        raise node.mistake(
            f"expected a plain function, got the async function {describe(function)}",
            hint="steps run on the lane's own thread: call asyncio.run inside a plain function",
        )


def _is_async(function: object) -> bool:
    # As inspect tells it, whose import takes longer than all of this package.
    while True:
        if isinstance(function, types.MethodType):
            function = function.__func__
        elif isinstance(function, functools.partial):
            function = function.func
        else:
            break
    code = getattr(function, "__code__", None)
    return isinstance(code, types.CodeType) and bool(code.co_flags & _ASYNC)


# CO_COROUTINE, CO_ASYNC_GENERATOR
_ASYNC = 0x80 | 0x200


def describe(function: object) -> str:
    """The name of a callable as messages show it."""
    return getattr(function, "__qualname__", None) or type(function).__qualname__


class Map(Calling[In, Out]):
    """Replaces the payload by what the function returns.

    A function that returns a ``Message`` sets key and headers too.
    """

    # pyright finds Out inside of the union; mypy takes Message for Out there, refuses,
    # and comes to the second overload. Two overloads that do not overlap would be
    # clearer, and then pyright gives up on a lambda.
    @overload
    def __init__(
        self,
        name: str,
        function: Callable[[Message[In]], Out | Message[Out]]
        | type[GoFunction[In, Message[Out]] | GoFunction[In, Out]],
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None: ...
    @overload
    def __init__(  # type: ignore[overload-cannot-match] # pyright: ignore[reportOverlappingOverload]
        self,
        name: str,
        function: Callable[[Message[In]], Message[Out]] | type[GoFunction[In, Message[Out]]],
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: Map[Any, Any],
        name: str,
        function: str,
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None: ...
    def __init__(
        self,
        name: str,
        function: Any,
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None:
        self._init(name, function, on_error, retry, crossing)


class Filter(Calling[T, T]):
    """Keeps the messages for which the function returns True."""

    def __init__(
        self,
        name: str,
        function: Callable[[Message[T]], bool] | type[GoFunction[T, bool]] | str,
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None:
        self._init(name, function, on_error, retry, crossing)


class FlatMap(Calling[In, Out]):
    """Passes on one message for every element of what the function returns."""

    @overload
    def __init__(
        self,
        name: str,
        function: type[GoFunction[In, Iterable[Out]]],
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self,
        name: str,
        function: Callable[[Message[In]], Iterable[Out]],
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: FlatMap[Any, Any],
        name: str,
        function: str,
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None: ...
    def __init__(
        self,
        name: str,
        function: Any,
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> None:
        self._init(name, function, on_error, retry, crossing)


class _Texts(dict[str, str]):
    """Texts by names, as a value of what does not change."""

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))


class _ParserOf:
    """``Parser[T]``. A frozen instance can not be told its parameter afterwards, as
    typing would, so it is told before."""

    def __init__(self, declared: object) -> None:
        self._declared = declared

    def __call__(self, *args: Any, **kwargs: Any) -> Parser[Any]:
        return Parser(*args, declared=self._declared, **kwargs)

    def __repr__(self) -> str:
        return f"levada.Parser[{getattr(self._declared, '__name__', self._declared)}]"


class Parser(Step[bytes, T_parsed]):
    """Decodes the record's bytes: ``Parser[Metric]("parse")``.

    ``T`` is a class that ``levada build`` wrote, a TypedDict, a dataclass or a builtin
    type; without it the payload is whatever the codec finds.

    Attributes:
        codec: ``json``, ``msgpack``, ``protobuf``, ``avro`` or ``raw``.
        schema: the text of the schema, which ``avro`` needs, and ``protobuf`` where no Go step
            has the type: ``Path(__file__).with_name("visits.avsc").read_text()``.
        message: the name of the message in a schema of ``protobuf`` that has several.
        imports: the texts of the files that a schema of ``protobuf`` imports, by the names
            that they are imported by; ``google/protobuf/*.proto`` need not be among them.
        strict: refuses text that is no UTF-8, and one name twice in an object; the message
            fails. Otherwise a byte that is none reads as U+FFFD, and the last member counts.
        std: leaves whole values to ``encoding/json/v2`` of Go's library; for ``json``, where a
            Go step gives or takes the type.
        prefix: what stands before a message: ``confluent`` is a zero byte and the number that
            the schema has in a registry, ``single_object`` (Avro) the schema's fingerprint.
        schema_id: the number of the only schema that is read with ``confluent``. Without it
            the lock of schemas (``--schemas``) has the numbers.
        writer_schema: the schema that messages of Avro are written by, where that is another
            one: fields that ``schema`` does not have are passed over, those that only it has
            are their defaults.
    """

    codec: str = "json"
    schema: str = option(default="", kw_only=True)
    strict: bool = option(default=False, kw_only=True)
    std: bool = option(default=False, kw_only=True)
    prefix: str = option(default="", kw_only=True)
    schema_id: int = option(default=0, kw_only=True)
    writer_schema: str = option(default="", kw_only=True)
    message: str = option(default="", kw_only=True)
    imports: Mapping[str, str] = option(default=_Texts(), kw_only=True)
    declared: Any = option(default=Any, kw_only=True)
    """What stands in the brackets; it belongs there and nowhere else."""

    def __post_init__(self) -> None:
        Node.__post_init__(self)
        if not isinstance(self.strict, bool):
            raise self.mistake(f"expected strict to be True or False, got {self.strict!r}")
        _check_codec(self)

    if not TYPE_CHECKING:

        def __class_getitem__(cls, item):
            if isinstance(item, TypeVar):
                return super().__class_getitem__(item)
            return _ParserOf(item)


def _check_codec(node: Parser[Any] | Serializer) -> None:
    if not isinstance(node.std, bool):
        raise node.mistake(f"expected std to be True or False, got {node.std!r}")
    if not isinstance(node.prefix, str):
        raise node.mistake(f"expected prefix to be text, got {node.prefix!r}")
    if isinstance(node.schema_id, bool) or not isinstance(node.schema_id, int):
        raise node.mistake(f"expected schema_id to be a number, got {node.schema_id!r}")
    if not isinstance(node.message, str):
        raise node.mistake(f"expected message to be text, got {node.message!r}")
    imports = _Texts(node.imports) if isinstance(node.imports, Mapping) else None
    if imports is None or not all(isinstance(v, str) for kv in imports.items() for v in kv):
        raise node.mistake(f"expected imports to be texts by names, got {node.imports!r}")
    object.__setattr__(node, "imports", imports)


class Serializer(Step[object, bytes]):
    """Encodes the payload into the bytes that a sink takes.

    Attributes:
        codec: ``json``, ``msgpack``, ``protobuf``, ``avro`` or ``raw``.
        schema: the text of the schema, which ``avro`` needs, and ``protobuf`` where no Go step
            has the type: ``Path(__file__).with_name("visits.avsc").read_text()``.
        message: the name of the message, as with ``Parser``.
        imports: the texts of the files that the schema imports, as with ``Parser``.
        std: leaves whole values to ``encoding/json/v2`` of Go's library, as with ``Parser``.
        prefix: what stands before a message, as with ``Parser``.
        schema_id: the number of the schema that is written with ``confluent``. Without it
            the lock of schemas (``--schemas``) has it.
    """

    codec: str = "json"
    schema: str = option(default="", kw_only=True)
    std: bool = option(default=False, kw_only=True)
    prefix: str = option(default="", kw_only=True)
    schema_id: int = option(default=0, kw_only=True)
    message: str = option(default="", kw_only=True)
    imports: Mapping[str, str] = option(default=_Texts(), kw_only=True)

    def __post_init__(self) -> None:
        Node.__post_init__(self)
        _check_codec(self)


class Batch(Step[T, list[T]]):
    """Gathers messages into a list until the first limit is reached.

    Attributes:
        batch_size: messages.
        batch_timedelta: time since the first message of the batch, whole milliseconds.
        batch_bytes: estimated bytes of the payloads.
    """

    batch_size: int | None = None
    batch_timedelta: timedelta | None = None
    batch_bytes: int | None = option(default=None, kw_only=True)

    def __post_init__(self) -> None:
        Node.__post_init__(self)
        for name, value in (("batch_size", self.batch_size), ("batch_bytes", self.batch_bytes)):
            if value is not None and not _is_count(value):
                raise self.mistake(f"expected {name} to be an int of at least 1, got {value!r}")
        age = self.batch_timedelta
        if age is not None and (not isinstance(age, timedelta) or age < timedelta(milliseconds=1)):
            raise self.mistake(
                f"expected batch_timedelta to be a timedelta of at least 1 ms, got {age!r}"
            )


class StreamSource(Node):
    """Where the records of a pipeline come from; made by ``streaming_source``. A source
    can not fail: its ``on_error`` and ``retry`` are those of the pipeline."""

    stream_name: str
    connector: str = "kafka"


class StreamSink(Node):
    """Where the bytes of a stream go: the logical name of a stream, which the
    deployment maps to a topic or file, and the connector that reaches it."""

    stream_name: str
    connector: str = "kafka"


def milliseconds(duration: timedelta) -> int:
    """Whole milliseconds, as the plan counts time."""
    return duration // timedelta(milliseconds=1)


_POLICIES = get_args(Policy)
_CROSSINGS = get_args(Crossing)
# The names that policies have elsewhere: as package plan of the Go side knows them.
_OTHER_POLICIES = {
    **dict.fromkeys(("stop", "abort", "raise", "error"), "fail"),
    **dict.fromkeys(("ignore", "drop", "continue"), "skip"),
    **dict.fromkeys(("dlq", "dead-letter", "deadletter", "dead_letters"), "dead_letter"),
}


def _other_policy(given: object) -> str:
    here = _OTHER_POLICIES.get(given.lower()) if isinstance(given, str) else None
    return f"it is called {here} here" if here else ""


def _quoted(value: object) -> str:
    # A text as messages of the Go side show it.
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _mistake(text: str) -> InvalidPipelineError:
    return InvalidPipelineError(Violation(text, origin=Origin.of_caller()))
