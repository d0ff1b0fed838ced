"""Streams, branches and pipelines: what steps are put together with.

Nothing here runs anything. A stream is a tuple of steps; ``apply`` returns a longer
one and leaves the stream it was called on as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from levada._frozen import Frozen, option
from levada.errors import InvalidPipelineError, Origin, Violation
from levada.function import GoFunction
from levada.message import Message
from levada.steps import (
    AnyFunction,
    Crossing,
    Node,
    Policy,
    Retry,
    Step,
    StreamSink,
    StreamSource,
    check_crossing,
    check_function,
)

if TYPE_CHECKING:
    from typing_extensions import TypeVar as TypeVarWithDefault

    T_in = TypeVarWithDefault("T_in", default=Any, contravariant=True)
    T_first = TypeVarWithDefault("T_first", default=Any)
else:
    T_in = TypeVar("T_in", contravariant=True)
    T_first = TypeVar("T_first")

__all__ = ["Branch", "OpenBranch", "Pipeline", "Stream", "branch", "streaming_source"]

T = TypeVar("T", covariant=True)
U = TypeVar("U")
K = TypeVar("K", bound=str | int | bool | Enum)


class Fork(Node):
    """Where a stream becomes several."""

    branches: tuple[Branch[Any], ...]


class Route(Fork):
    """Every message goes into one branch: the one whose key the function returns."""

    function: AnyFunction
    keys: tuple[str | int | bool, ...]
    """The keys of the branches, in order; one fewer where the last is ``otherwise``."""
    by_enum: bool
    """Keys were members of an Enum, and so is what the function returns: the plan and
    the engine know their values only."""

    crossing: Crossing | None = option(default=None, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_function(self, self.function)
        check_crossing(self, self.crossing)


class Broadcast(Fork):
    """Every message goes into every branch."""


class Chain(tuple[Node, ...]):
    """The steps of a stream, in order. Only the last may be a Fork."""

    __slots__ = ()

    def then(self, step: Step[Any, Any]) -> Chain:
        """The chain with one step more."""
        if isinstance(step, Stream | Pipeline | StreamSource):
            raise _second_source(step)
        if isinstance(step, StreamSink):
            raise step.mistake("expected a step, got a sink", hint="write .sink(...)")
        if not isinstance(step, Step):
            raise self._mistake(f"expected a step to apply, got {_what(step)}")
        return Chain((*self, step))

    def into(self, sink: StreamSink) -> Chain:
        """The chain with its sink."""
        if not isinstance(sink, StreamSink):
            raise self._mistake(f"expected a StreamSink, got {_what(sink)}")
        return Chain((*self, sink))

    def route(
        self,
        name: str,
        function: AnyFunction,
        cases: Mapping[Any, Branch[Any]],
        otherwise: Branch[Any] | None,
        on_error: Policy | None,
        retry: Retry | None,
        crossing: Crossing | None,
    ) -> Chain:
        """The chain with a route at its end."""
        if not isinstance(cases, Mapping):
            raise self._mistake(
                f'step "{name}": expected cases to map keys to branches, got {type(cases).__name__}'
            )
        branches = (*cases.values(), *(() if otherwise is None else (otherwise,)))
        keys = tuple(k.value if isinstance(k, Enum) else k for k in cases)
        by_enum = any(isinstance(k, Enum) for k in cases)
        arms = self._branches(name, branches)
        fork = Route(
            name, arms, function, keys, by_enum, on_error=on_error, retry=retry, crossing=crossing
        )
        for key in keys:
            if not isinstance(key, str | int):
                raise fork.mistake(f"expected keys that are str, int or bool, got {key!r}")
        if not branches:
            raise fork.mistake("expected at least one branch, got none")
        return Chain((*self, fork))

    def broadcast(
        self,
        name: str,
        routes: Sequence[Branch[Any]],
        on_error: Policy | None,
        retry: Retry | None,
    ) -> Chain:
        """The chain with a broadcast at its end."""
        fork = Broadcast(name, self._branches(name, routes), on_error=on_error, retry=retry)
        if not fork.branches:
            raise fork.mistake("expected at least one branch, got none")
        return Chain((*self, fork))

    def _branches(self, name: str, branches: Sequence[object]) -> tuple[Branch[Any], ...]:
        wrong = list[Violation]()
        for b in branches:
            if isinstance(b, Pipeline | Stream):
                wrong += _second_source(b).violations
            elif isinstance(b, OpenBranch):
                wrong.append(b.leaf())
            elif not isinstance(b, Branch):
                text = f'step "{name}": expected branches, got {type(b).__name__}'
                wrong.append(Violation(text, origin=Origin.of_caller()))
        if wrong:
            raise InvalidPipelineError(wrong)
        return tuple(cast("Sequence[Branch[Any]]", branches))

    def _mistake(self, text: str) -> InvalidPipelineError:
        place = Origin.of_caller()
        return InvalidPipelineError(Violation(text, self[-1].name if self else "", place))


def _what(value: object) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def _second_source(other: Stream[Any] | Pipeline | StreamSource) -> InvalidPipelineError:
    source = other if isinstance(other, StreamSource) else other.steps[0]
    return source.mistake(
        "expected one source in a pipeline, got a second one",
        hint="write one pipeline per source",
    )


def leaf(chain: Chain, fallback: Violation) -> Violation:
    """The violation of a chain whose end is no sink."""
    if not chain:
        return fallback
    return Violation(
        "expected a sink at the end of every branch, got a step that leads nowhere",
        chain[-1].name,
        chain[-1].origin,
        "end it with .sink(StreamSink(...))",
    )


class Pipeline(Frozen):
    """A source, its steps, and a sink at every end: what can be run."""

    name: str
    steps: Chain

    @property
    def source(self) -> StreamSource:
        """Where the records come from."""
        return cast("StreamSource", self.steps[0])


class Stream(Frozen, Generic[T]):
    """A stream of messages of ``T``, open at its end."""

    name: str
    steps: Chain

    def apply(self, step: Step[T, U]) -> Stream[U]:
        """The stream after one step more."""
        return Stream(self.name, self.steps.then(step))

    def sink(self: Stream[bytes], sink: StreamSink) -> Pipeline:
        """Ends the stream. A sink takes bytes: serialize first."""
        return Pipeline(self.name, self.steps.into(sink))

    def route(
        self,
        name: str,
        function: Callable[[Message[T]], K] | type[GoFunction[T, K]] | str,
        cases: Mapping[K, Branch[T]],
        otherwise: Branch[T] | None = None,
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> Pipeline:
        """Ends the stream in branches; each message goes into the one whose key the
        function returns, or into ``otherwise``."""
        steps = self.steps.route(
            name, cast("AnyFunction", function), cases, otherwise, on_error, retry, crossing
        )
        return Pipeline(self.name, steps)

    def broadcast(
        self,
        name: str,
        routes: Sequence[Branch[T]],
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
    ) -> Pipeline:
        """Ends the stream in branches; each message goes into all of them."""
        return Pipeline(self.name, self.steps.broadcast(name, routes, on_error, retry))


class Branch(Frozen, Generic[T_in]):
    """A finished branch that takes messages of ``T_in``."""

    name: str
    steps: Chain
    origin: Origin


class OpenBranch(Frozen, Generic[T, T_in]):
    """A branch that has come to messages of ``T`` and takes messages of ``T_in``."""

    name: str
    steps: Chain
    origin: Origin

    def apply(self, step: Step[T, U]) -> OpenBranch[U, T_in]:
        """The branch after one step more."""
        return OpenBranch(self.name, self.steps.then(step), self.origin)

    def sink(self: OpenBranch[bytes, T_in], sink: StreamSink) -> Branch[T_in]:
        """Ends the branch. A sink takes bytes: serialize first."""
        return Branch(self.name, self.steps.into(sink), self.origin)

    def route(
        self,
        name: str,
        function: Callable[[Message[T]], K] | type[GoFunction[T, K]] | str,
        cases: Mapping[K, Branch[T]],
        otherwise: Branch[T] | None = None,
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
        crossing: Crossing | None = None,
    ) -> Branch[T_in]:
        """As ``Stream.route``, within a branch."""
        steps = self.steps.route(
            name, cast("AnyFunction", function), cases, otherwise, on_error, retry, crossing
        )
        return Branch(self.name, steps, self.origin)

    def broadcast(
        self,
        name: str,
        routes: Sequence[Branch[T]],
        *,
        on_error: Policy | None = None,
        retry: Retry | None = None,
    ) -> Branch[T_in]:
        """As ``Stream.broadcast``, within a branch."""
        return Branch(self.name, self.steps.broadcast(name, routes, on_error, retry), self.origin)

    def leaf(self) -> Violation:
        """The violation of a branch that has no sink."""
        fallback = Violation(
            f'branch "{self.name}": expected steps and a sink, got none', origin=self.origin
        )
        return leaf(self.steps, fallback)


class branch(OpenBranch[T_first, T_first]):
    """The beginning of a branch: ``branch[Metric]("counters").apply(...)``. Without
    brackets it takes messages of any type."""

    def __init__(self, name: str) -> None:
        origin = Origin.of_caller()
        if not isinstance(name, str) or not name:
            raise InvalidPipelineError(
                Violation(f"branch: expected a name, got {name!r}", origin=origin)
            )
        super().__init__(name, Chain(), origin)


def streaming_source(
    name: str,
    stream_name: str,
    connector: str = "kafka",
    *,
    pipeline: str | None = None,
    on_error: Policy | None = None,
    retry: Retry | None = None,
) -> Stream[bytes]:
    """The beginning of a pipeline.

    Args:
        name: name of the step.
        stream_name: logical name of the stream; the deployment maps it to a topic or file.
        connector: what reaches the stream.
        pipeline: name of the pipeline; default: the name of the step.
        on_error: what becomes of a message that fails at a step without an ``on_error`` of
            its own; default: it goes to the dead letters where the deployment has a stream
            for them, else the pipeline stops.
        retry: repeats failing calls of the steps without a ``retry`` of their own.
    """
    source = StreamSource(name, stream_name, connector, on_error=on_error, retry=retry)
    return Stream(pipeline or name, Chain((source,)))
