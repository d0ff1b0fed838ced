"""From a pipeline to its plan.

The plan is the contract between the spellings of a pipeline and the engine (package
plan of the Go side). What is written here is byte for byte what Go writes for the
same pipeline.
"""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from levada import _json, _names
from levada._adapt import adapted
from levada._extension import PLAN_VERSION
from levada._manifest import Manifest, place
from levada._types import Annotations, Table, UnsupportedType, read_annotations
from levada.errors import InvalidPipelineError, Violation
from levada.function import GoFunction
from levada.pipeline import Broadcast, Chain, Fork, OpenBranch, Pipeline, Route, Stream, leaf
from levada.steps import (
    Batch,
    Calling,
    Filter,
    FlatMap,
    Map,
    Node,
    Parser,
    Serializer,
    StreamSink,
    StreamSource,
    check_function,
    describe,
    milliseconds,
)

__all__ = ["PLAN_VERSION", "Plan", "build"]


@dataclass(frozen=True)
class Plan:
    """What a pipeline becomes: two JSON texts and the functions that they name."""

    text: str
    """The plan."""
    manifest: str
    """What the Python functions take and return."""
    functions: dict[str, Callable[[Any], Any]]
    """The Python functions by canonical name."""
    extensions: tuple[str, ...]
    """The packages whose compiled module the Go functions need, sorted."""
    go_functions: dict[str, GoFunction[Any, Any]] = field(repr=False)
    """The Go functions by step."""


def build(pipeline: object, folder: str | None = None) -> Plan:
    """The plan of a pipeline.

    Args:
        pipeline: what the author wrote.
        folder: the folder of the pipeline's file, which places are told relative to;
            default: that of the file which made the source.

    Raises:
        InvalidPipelineError: it tells every mistake that Python alone can see. The
            planner, in Go, sees the rest.
    """
    if isinstance(pipeline, Stream):
        chain: Chain = pipeline.steps
        raise InvalidPipelineError(leaf(chain, Violation("")))
    if isinstance(pipeline, OpenBranch):
        raise InvalidPipelineError(pipeline.leaf())
    if not isinstance(pipeline, Pipeline):
        raise InvalidPipelineError(Violation(f"expected a pipeline, got {type(pipeline).__name__}"))
    if folder is None:
        folder = os.path.dirname(os.path.abspath(pipeline.source.origin.file))
    return _Builder(folder).build(pipeline)


class _Builder:
    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._violations: list[Violation] = []
        self._steps: list[dict[str, Any]] = []
        self._requires: set[str] = set()
        self._types = Table(strict=True)
        self._manifest = Manifest(folder, self._types.classes)
        self._go: dict[str, GoFunction[Any, Any]] = {}
        self._said: dict[str, Annotations] = {}
        self._named: list[object] = []

    def build(self, pipeline: Pipeline) -> Plan:
        self._unique_names(pipeline)
        policy = self._policy(pipeline.source)
        self._chain(pipeline.steps, "", "", Any)
        if self._violations:
            raise InvalidPipelineError(self._violations)
        plan = {
            "version": PLAN_VERSION,
            "requires": sorted(self._requires),
            "name": pipeline.name,
            **policy,
            "steps": self._steps,
            **self._types.members(),
        }
        from levada._extension import package_of

        return Plan(
            text=_json.encode(plan, indent=2) + "\n",
            manifest=self._manifest.text(),
            functions=self._manifest.functions,
            extensions=tuple(
                sorted({package_of(type(f)) for f in self._go.values()} | self._packages_of_types())
            ),
            go_functions=self._go,
        )

    def _packages_of_types(self) -> set[str]:
        """The packages of Go types that a codec needs which knows nothing else, also where
        no step of theirs is called."""
        if "codec:protobuf" not in self._requires:
            return set()
        modules = {m for t in self._named if isinstance(m := getattr(t, "__module__", None), str)}
        return {
            m.removesuffix(".types")
            for m in modules
            if hasattr(sys.modules.get(m), "__levada_package__")
        }

    def _unique_names(self, pipeline: Pipeline) -> None:
        first: dict[str, Node] = {}
        for node in walk(pipeline.steps):
            before = first.get(node.name)
            if before is None:
                first[node.name] = node
                continue
            where = before.origin.within(self._folder)
            hint = "a branch can be used once" if before is node else ""
            self._wrong(node, f"expected a name of its own, the step at {where} has it", hint)

    def _chain(self, chain: Chain, above: str, branch: str, payload: object) -> None:
        for node in chain:
            self._steps.append(self._step(node, above, branch, payload))
            above, branch = node.name, ""
            payload = self._payload_after(node, payload)
        if isinstance(node := chain[-1], Fork):
            for b in node.branches:
                self._chain(b.steps, node.name, b.name, payload)

    def _payload_after(self, node: Node, payload: object) -> object:
        """The annotation of what a step passes on, as far as Python's own steps tell;
        it says where a function gets an object of a dataclass."""
        match node:
            case Parser():
                return node.declared
            case Batch():
                return list[payload]  # type: ignore[valid-type]
            case Map() | FlatMap():
                said = self._said.get(node.name)
                if said is None:
                    return Any
                return said.element if isinstance(node, FlatMap) else said.returns
            case _:
                return payload

    def _step(self, node: Node, above: str, branch: str, payload: object) -> dict[str, Any]:
        kind = _kind(node)
        step: dict[str, Any] = {
            "name": node.name,
            "kind": kind,
            "origin": self._origin(node.origin.file, node.origin.line),
        }
        if above:
            step["input"] = above
        if branch:
            step["branch"] = branch
        if function := self._function(node, payload):
            step["function"] = function
            self._requires.add(_capability(function["name"]))
        if isinstance(node, Parser) and (declared := self._declared(node)):
            step["type"] = declared
        if isinstance(node, StreamSource | StreamSink):
            step["stream"] = node.stream_name
            step["connector"] = node.connector
        if isinstance(node, Batch) and (limit := _limit(node)):
            step["limit"] = limit
        if isinstance(node, Fork):
            step["branches"] = self._branches(node)
        if not isinstance(node, StreamSource):  # what it says counts for the pipeline
            step |= self._policy(node)
        if isinstance(node, Calling | Route) and node.crossing:
            step["crossing"] = node.crossing
            if node.crossing != "frame":
                self._requires.add(f"crossing:{node.crossing}")
        if kind in _CAPABILITIES:
            self._requires.add(f"kind:{kind}")
        return step

    def _policy(self, node: Node) -> dict[str, Any]:
        """The members that say what becomes of a failing message."""
        out: dict[str, Any] = {}
        if node.on_error:
            out["on_error"] = node.on_error
            if node.on_error != "fail":
                self._requires.add(f"policy:{node.on_error}")
        if node.retry:
            out["retry"] = {
                "times": node.retry.times,
                "backoff_ms": milliseconds(node.retry.backoff),
            }
            self._requires.add("retry")
        return out

    def _function(self, node: Node, payload: object) -> dict[str, Any] | None:
        match node:
            case Parser():
                return self._codec(node, "decode", strict=node.strict, writer=node.writer_schema)
            case Serializer():
                return self._codec(node, "encode")
            case Calling() | Route():
                try:
                    return self._callee(node, _resolved(node), payload)
                except InvalidPipelineError as e:
                    self._violations += e.violations
        return None

    def _codec(
        self,
        node: Parser[Any] | Serializer,
        verb: str,
        *,
        strict: bool = False,
        writer: str = "",
    ) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if node.schema and node.codec not in ("avro", "protobuf"):
            only = "only the codecs avro and protobuf have one"
            self._wrong(node, f"schema: {only}, {node.codec} does not")
        elif node.codec == "avro" and not node.schema:
            hint = 'schema=Path(__file__).with_name("visits.avsc").read_text()'
            self._wrong(node, "expected the text of a schema for avro, got none", hint)
        elif node.schema:
            settings["schema"] = node.schema
        if (node.message or node.imports) and (node.codec != "protobuf" or not node.schema):
            key = "message" if node.message else "imports"
            expected = "expected the codec protobuf with a schema"
            self._wrong(node, f"{key}: {expected}, got {node.codec} without")
        if node.imports:
            settings["imports"] = dict(sorted(node.imports.items()))
        if node.message:
            settings["message"] = node.message
        if writer and node.codec != "avro":
            self._wrong(node, f"writer_schema: only the codec avro has one, {node.codec} does not")
        elif writer:
            settings["writer"] = writer
        if strict:
            settings["strict"] = True
        if node.std and node.codec != "json":
            self._wrong(node, f"std: only the codec json has one, {node.codec} does not")
        elif node.std:
            settings["std"] = True
        if node.prefix:
            settings["prefix"] = node.prefix
        if node.schema_id:
            settings["id"] = node.schema_id
        out: dict[str, Any] = {"name": f"builtin:{node.codec}.{verb}"}
        return out | {"settings": settings} if settings else out

    def _callee(
        self, node: Calling[Any, Any] | Route, function: Any, payload: object
    ) -> dict[str, Any]:
        if isinstance(function, type) and issubclass(function, GoFunction):
            try:
                function = function()
            except (TypeError, ValueError) as e:
                raise node.mistake(str(e)) from e
        if isinstance(function, GoFunction):
            self._go[node.name] = function
            out: dict[str, Any] = {"name": function.__levada_function__}
            try:
                if settings := _json.canonical(function.settings):
                    out["settings"] = settings
            except ValueError as e:
                raise node.mistake(f"settings of {describe(type(function))}: {e}") from e
            return out
        return self._python(node, function, payload)

    def _python(
        self, node: Calling[Any, Any] | Route, function: Any, payload: object
    ) -> dict[str, Any]:
        _takes_one_message(node, function)
        said = self._said[node.name] = read_annotations(function)
        self._named += [said.takes, said.returns]
        takes = payload if said.takes is Any else said.takes
        callee = adapted(function, takes, said, by_enum=isinstance(node, Route) and node.by_enum)
        found = _names.named(function)
        name, n = found.name, 1
        # Two lambdas of one module, or two instances of one class, share their name.
        while not self._manifest.add(name, function, callee, said):
            n += 1
            name = f"{found.name}#{n}"
        out: dict[str, Any] = {"name": name}
        if found.local:
            out["local"] = True
        return out

    def _declared(self, node: Parser[Any]) -> str:
        self._named.append(node.declared)
        try:
            return self._types.declare(node.declared)
        except UnsupportedType as e:
            self._wrong(node, str(e), "Any takes whatever the codec finds")
            return ""

    def _branches(self, fork: Fork) -> list[dict[str, Any]]:
        out = list[dict[str, Any]]()
        names = set[str]()
        for i, b in enumerate(fork.branches):
            if b.name in names:
                self._wrong(
                    fork, f'expected branches with names of their own, got "{b.name}" twice'
                )
            names.add(b.name)
            branch: dict[str, Any] = {"name": b.name}
            if isinstance(fork, Route):
                if i < len(fork.keys):
                    branch["key"] = fork.keys[i]
                else:
                    branch["otherwise"] = True
            out.append(branch)
        return out

    def _origin(self, file: str, line: int) -> dict[str, Any]:
        return place(file, line, self._folder)

    def _wrong(self, node: Node, text: str, hint: str = "") -> None:
        self._violations.append(Violation(text, node.name, node.origin, hint))


_KINDS: dict[type[Node], str] = {
    StreamSource: "source",
    Parser: "map",
    Serializer: "map",
    Map: "map",
    Filter: "filter",
    FlatMap: "flat_map",
    Batch: "batch",
    Route: "route",
    Broadcast: "broadcast",
    StreamSink: "sink",
}
_CAPABILITIES = ("flat_map", "batch", "route", "broadcast")


def walk(chain: Chain) -> Iterator[Node]:
    """All steps of a chain, depth first: the order of the plan."""
    for node in chain:
        yield node
        if isinstance(node, Fork):
            for b in node.branches:
                yield from walk(b.steps)


def _kind(node: Node) -> str:
    for cls in type(node).__mro__:
        if kind := _KINDS.get(cls):
            return kind
    raise node.mistake(
        f"expected a step of levada, got {type(node).__qualname__}",
        hint="Step itself is what type checkers see; use Map, Filter and the others",
    )


def _capability(function: str) -> str:
    scheme, _, rest = function.partition(":")
    return f"codec:{rest.rpartition('.')[0]}" if scheme == "builtin" else f"functions:{scheme}"


def _limit(node: Batch[Any]) -> dict[str, int]:
    age = node.batch_timedelta
    limits = {
        "count": node.batch_size,
        "bytes": node.batch_bytes,
        "age_ms": None if age is None else milliseconds(age),
    }
    return {k: v for k, v in limits.items() if v}


def _resolved(node: Calling[Any, Any] | Route) -> Any:
    if not isinstance(node.function, str):
        return node.function
    try:
        function = _names.resolve(node.function)
    except _names.UnknownName as e:
        raise node.mistake(str(e), hint=e.hint) from None
    except Exception as e:
        raise node.mistake(
            f'function "{node.function}": its module does not import: {type(e).__name__}: {e}'
        ) from e
    check_function(node, function)
    return function


def _takes_one_message(node: Node, function: Any) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:
        return  # some builtins do not say
    except TypeError as e:
        raise node.mistake(f"expected a function, got {describe(function)}: {e}") from e
    try:
        signature.bind(None)
    except TypeError:
        raise node.mistake(
            f"expected a function of one message, got {describe(function)}{signature}"
        ) from None
