"""Streams, steps, branches: values that know where they were written."""

from __future__ import annotations

import inspect
import json
import pickle
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

import levada
from levada import (
    Batch,
    Filter,
    FlatMap,
    InvalidPipelineError,
    Map,
    Message,
    Parser,
    Retry,
    Serializer,
    StreamSink,
    branch,
    streaming_source,
)
from levada.plan import Plan, build


def here() -> int:
    """The line that calls."""
    frame = inspect.currentframe()
    assert frame is not None and frame.f_back is not None
    return frame.f_back.f_lineno


def double(msg: Message[Any]) -> Any:
    return msg.payload * 2


def small(msg: Message[Any]) -> bool:
    return bool(msg.payload < 3)


def steps(plan: Plan) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(plan.text)["steps"]
    return found


def sink(name: str = "out") -> StreamSink:
    return StreamSink(name, stream_name=name)


class TestImmutability:
    def test_apply_leaves_its_stream_alone(self) -> None:
        parsed = streaming_source("in", "in").apply(Parser[int]("parse"))
        before = parsed.steps
        one = parsed.apply(Serializer("one")).sink(sink())
        two = parsed.apply(Map("double", double)).apply(Serializer("two")).sink(sink())
        assert parsed.steps == before
        assert [s["name"] for s in steps(build(one))] == ["in", "parse", "one", "out"]
        assert [s["name"] for s in steps(build(two))] == ["in", "parse", "double", "two", "out"]

    def test_a_branch_can_begin_several(self) -> None:
        start = branch("b").apply(Map("double", double))
        assert len(start.apply(Serializer("s")).sink(sink()).steps) == 3
        assert len(start.steps) == 1

    @pytest.mark.parametrize(
        "value",
        [
            Map("m", double),
            Filter("f", small),
            FlatMap("x", double),
            Batch("b", 1),
            Parser[int]("p"),
            Serializer("s"),
            StreamSink("o", "o"),
            Retry(1),
            streaming_source("in", "in"),
            streaming_source("in", "in").sink(StreamSink("o", "o")),
            branch("b"),
        ],
        ids=lambda v: type(v).__name__,
    )
    def test_nothing_can_be_set(self, value: Any) -> None:
        with pytest.raises(AttributeError):
            value.name = "other"
        with pytest.raises(AttributeError):
            del value.name

    def test_steps_are_equal_by_what_they_say(self) -> None:
        assert Map("m", double) == Map("m", double)
        assert Map("m", double) != Map("m", small)
        assert Map("m", double) != Filter("m", double)
        assert Batch("b", 1) == Batch("b", 1)

    def test_streams_and_steps_pickle(self) -> None:
        pipeline = (
            streaming_source("in", "in")
            .apply(Parser[int]("parse"))
            .apply(Map("double", double, retry=Retry(2)))
            .broadcast("all", [branch("a").apply(Serializer("s")).sink(sink())])
        )
        again = pickle.loads(pickle.dumps(pipeline))
        assert build(again).text == build(pipeline).text


class TestPolicies:
    def test_what_is_said_at_the_source_counts_for_the_pipeline(self) -> None:
        pipeline = (
            streaming_source("in", "in", on_error="skip", retry=Retry(3, timedelta(seconds=1)))
            .apply(Map("double", double, on_error="fail"))
            .sink(sink())
        )
        plan = json.loads(build(pipeline).text)
        assert plan["on_error"] == "skip"
        assert plan["retry"] == {"times": 3, "backoff_ms": 1000}
        assert plan["requires"] == ["functions:py", "policy:skip", "retry"]
        source, step, _ = plan["steps"]
        assert "on_error" not in source and "retry" not in source
        assert step["on_error"] == "fail" and "retry" not in step

    def test_a_plan_has_no_word_about_what_was_not_said(self) -> None:
        plan = json.loads(build(streaming_source("in", "in").sink(sink())).text)
        assert "on_error" not in plan and "retry" not in plan

    def test_the_words_of_other_systems_are_known(self) -> None:
        # Those of the Go side, with the same text.
        source = (Path(__file__).parents[3] / "plan" / "validate.go").read_text()
        table = source[source.index("var otherPolicies") :]
        words = re.findall(r'"([a-z_-]+)": (Fail|Skip|DeadLetter)', table[: table.index("\n}")])
        assert len(words) > 8
        for word, constant in words:
            name = {"Fail": "fail", "Skip": "skip", "DeadLetter": "dead_letter"}[constant]
            with pytest.raises(InvalidPipelineError, match=f"it is called {name} here"):
                StreamSink("out", "out", on_error=word)

    def test_a_retryable_error_is_the_authors_own(self) -> None:
        class Busy(levada.RetryableError):
            pass

        assert not issubclass(levada.RetryableError, levada.LevadaError)
        assert Busy.__levada_retry__ is True
        again = pickle.loads(pickle.dumps(levada.RetryableError("no answer", 503)))
        assert type(again) is levada.RetryableError
        assert again.args == ("no answer", 503)


class TestOrigin:
    def test_a_step_knows_its_line(self) -> None:
        line = here() + 1
        source = streaming_source("in", "in")
        assert source.steps[0].origin == levada.Origin(__file__, line)
        for make in (
            lambda: (Map("s", double), here()),
            lambda: (Filter("s", small), here()),
            lambda: (FlatMap("s", double), here()),
            lambda: (Batch("s", 1), here()),
            lambda: (Parser("s"), here()),
            lambda: (Parser[int]("s"), here()),
            lambda: (Serializer("s"), here()),
            lambda: (StreamSink("s", "s"), here()),
            lambda: (branch("s"), here()),
            lambda: (branch[int]("s"), here()),
        ):
            made, line = make()
            assert made.origin == levada.Origin(__file__, line), made

    def test_of_a_call_over_several_lines_it_is_the_first(self) -> None:
        line = here() + 1
        step = Map(
            "double",
            function=double,
        )
        assert step.origin.line == line

    def test_route_and_broadcast_are_where_they_are_called(self) -> None:
        arm = branch("b").apply(Serializer("s")).sink(sink())
        stream = streaming_source("in", "in")
        line = here() + 1
        routed = stream.route("r", double, {"b": arm})
        assert routed.steps[-1].origin == levada.Origin(__file__, line)
        line = here() + 1
        sent = stream.broadcast("r", [arm])
        assert sent.steps[-1].origin == levada.Origin(__file__, line)

    def test_the_function_has_an_origin_too(self) -> None:
        pipeline = streaming_source("in", "in").apply(Map("double", double)).sink(sink())
        (signature,) = json.loads(build(pipeline).manifest)["functions"]
        assert signature["origin"] == {
            "file": "test_pipeline.py",
            "line": inspect.getsourcelines(double)[1],
        }

    def test_a_file_elsewhere_is_told_by_its_last_parts(self) -> None:
        pipeline = streaming_source("in", "in").sink(sink())
        plan = build(pipeline, folder="/somewhere/else")
        assert steps(plan)[0]["origin"]["file"] == "unit/test_pipeline.py"


class TestMistakes:
    """Those that a file of testdata/broken would be too long for."""

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: streaming_source("", "in"), "expected a name, got ''"),
            (lambda: Map(3, double), "expected a name, got 3"),
            (lambda: branch(""), "branch: expected a name, got ''"),
            (
                lambda: Parser("p", strict=1),  # type: ignore[arg-type]
                'step "p" (…): expected strict to be True or False, got 1',
            ),
            (
                lambda: Parser("p", std="yes"),  # type: ignore[arg-type]
                "step \"p\" (…): expected std to be True or False, got 'yes'",
            ),
            (
                lambda: Serializer("s", std=None),  # type: ignore[arg-type]
                'step "s" (…): expected std to be True or False, got None',
            ),
            (
                lambda: Parser("p", prefix=7),  # type: ignore[arg-type]
                'step "p" (…): expected prefix to be text, got 7',
            ),
            (
                lambda: Serializer("s", prefix="confluent", schema_id="7"),  # type: ignore[arg-type]
                "step \"s\" (…): expected schema_id to be a number, got '7'",
            ),
            (
                lambda: Parser("p", prefix="confluent", schema_id=True),
                'step "p" (…): expected schema_id to be a number, got True',
            ),
            (lambda: Map("m", 3), 'step "m" (…): expected a function, got int'),
            (lambda: Map("m", "a b"), 'expected a dotted name like "package.module.function"'),
            (lambda: Map("m", double, retry=3), "expected retry to be a Retry, got int"),
            (lambda: Retry(0), "retry: expected times from 1 to 1000, got 0"),
            (lambda: Retry(1001), "retry: expected times from 1 to 1000, got 1001"),
            (lambda: Retry(True), "retry: expected times to be an int, got True"),
            (lambda: Retry(1, 5), "retry: expected backoff to be a timedelta, got 5"),
            (
                lambda: Retry(1, timedelta(milliseconds=-1)),
                "retry: expected a backoff from 0 to 60000 ms, got -1 ms",
            ),
            (
                lambda: Retry(1, timedelta(minutes=2)),
                "retry: expected a backoff from 0 to 60000 ms, got 120000 ms",
            ),
            (
                lambda: Map("m", double, on_error="stop"),
                'expected on_error to be fail, skip or dead_letter, got "stop"\n'
                "hint: it is called fail here",
            ),
            (
                lambda: streaming_source("in", "in", on_error=3),
                "expected on_error to be fail, skip or dead_letter, got 3",
            ),
            (lambda: Batch("b", -1), "expected batch_size to be an int of at least 1, got -1"),
            (lambda: Batch("b", batch_bytes=0.5), "expected batch_bytes to be an int of at least"),
            (lambda: Batch("b", batch_timedelta=10), "expected batch_timedelta to be a timedelta"),
            (
                lambda: Batch("b", batch_timedelta=timedelta(microseconds=1)),
                "a timedelta of at least 1 ms",
            ),
            (lambda: source().apply(Map), "expected a step to apply, got the class Map"),
            (lambda: source().apply(double), "expected a step to apply, got function"),
            (lambda: source().apply(sink()), "expected a step, got a sink\nhint: write .sink(...)"),
            (lambda: source().apply(source().sink(sink())), "one source in a pipeline"),
            (lambda: source().sink("out"), "expected a StreamSink, got str"),
            (lambda: source().sink(Serializer("s")), "expected a StreamSink, got Serializer"),
            (lambda: source().broadcast("b", []), "expected at least one branch, got none"),
            (lambda: source().broadcast("b", ["x"]), "expected branches, got str"),
            (lambda: source().broadcast("b", [source().sink(sink())]), "got a second one"),
            (lambda: source().route("r", double, {}), "expected at least one branch, got none"),
            (
                lambda: source().route("r", double, [arm()]),
                "expected cases to map keys to branches",
            ),
            (
                lambda: source().route("r", double, {1.5: arm()}),
                "keys that are str, int or bool, got 1.5",
            ),
            (lambda: source().route("r", 3, {1: arm()}), "expected a function, got int"),
            (lambda: source().route("r", double, {1: branch("b")}), "expected steps and a sink"),
            (lambda: build(branch("b")), "expected steps and a sink, got none"),
            (lambda: build(3), "expected a pipeline, got int"),
        ],
    )
    def test_text(self, make: Any, text: str) -> None:
        with pytest.raises(InvalidPipelineError) as raised:
            make()
        got = str(raised.value)
        for violation in raised.value.violations:
            if violation.origin is not None:
                assert violation.origin.file == __file__
                got = got.replace(str(violation.origin), "…")
        assert text in got

    @pytest.mark.parametrize(
        ("parser", "text"),
        [
            (lambda: Parser("parse", codec="avro"), "expected the text of a schema for avro, got"),
            (
                lambda: Parser("parse", schema='"int"'),
                "schema: only the codecs avro and protobuf have one, json does not",
            ),
            (
                lambda: Parser("parse", codec="protobuf", message="acme.Visit"),
                "message: expected the codec protobuf with a schema, got protobuf without",
            ),
            (
                lambda: Parser("parse", codec="avro", schema='"int"', imports={"a": "b"}),
                "imports: expected the codec protobuf with a schema, got avro without",
            ),
            (
                lambda: Parser("parse", writer_schema='"int"'),
                "writer_schema: only the codec avro has one, json does not",
            ),
        ],
    )
    def test_schema_of_a_codec(self, parser: Any, text: str) -> None:
        stream = streaming_source("in", "in").apply(parser()).apply(Serializer("print"))
        with pytest.raises(InvalidPipelineError, match=text):
            build(stream.sink(StreamSink("out", "out")))

    def test_a_schema_of_protobuf_is_in_the_plan_with_what_it_imports(self) -> None:
        imports = {"b.proto": "B", "a.proto": "A"}
        parser: Parser[Any] = Parser(
            "parse", codec="protobuf", schema="S", message="acme.Visit", imports=imports
        )
        imports["c.proto"] = "C"
        same: Parser[Any] = Parser(
            "parse",
            codec="protobuf",
            schema="S",
            message="acme.Visit",
            imports={"a.proto": "A", "b.proto": "B"},
        )
        assert parser == same
        assert hash(parser) == hash(same)
        stream = streaming_source("in", "in").apply(parser).apply(Serializer("print"))
        plan = json.loads(build(stream.sink(StreamSink("out", "out"))).text)
        assert json.dumps(plan["steps"][1]["function"]["settings"]) == (
            '{"schema": "S", "imports": {"a.proto": "A", "b.proto": "B"}, "message": "acme.Visit"}'
        )

    def test_all_are_told_at_once(self) -> None:
        pipeline = (
            streaming_source("in", "in")
            .apply(Map("in", double))
            .apply(Map("gone", "levada.no_such_function"))
            .apply(Parser[complex]("parse"))
            .sink(sink())
        )
        with pytest.raises(InvalidPipelineError) as raised:
            build(pipeline)
        assert [v.step for v in raised.value.violations] == ["in", "gone", "parse"]
        assert isinstance(raised.value, ValueError)
        assert isinstance(raised.value, levada.LevadaError)

    def test_async_functions_are_refused(self) -> None:
        async def plain(msg: Message[Any]) -> None: ...

        async def generator(msg: Message[Any]) -> Any:
            yield 1

        class Instance:
            async def __call__(self, msg: Message[Any]) -> None: ...

        for function in (plain, generator, Instance()):
            with pytest.raises(InvalidPipelineError, match="the async function"):
                Map("m", function)


def source() -> Any:
    return streaming_source("in", "in")


def arm() -> Any:
    return branch("b").apply(Serializer("s")).sink(sink())


def test_nothing_of_a_plan_is_shared() -> None:
    pipeline = streaming_source("in", "in").apply(Map("double", double)).sink(sink())
    assert build(pipeline).functions is not build(pipeline).functions


def test_functions_are_the_objects_themselves() -> None:
    def local(msg: Message[Any]) -> Any:
        return msg.payload

    first, second = (lambda m: 1), (lambda m: 2)
    pipeline = (
        streaming_source("in", "in")
        .apply(Map("double", double))
        .apply(Map("again", double))
        .apply(Map("local", local))
        .apply(Map("first", first))
        .apply(Map("second", second))
        .sink(sink())
    )
    plan = build(pipeline)
    assert [s["function"]["name"] for s in steps(plan)[1:-1]] == [
        f"py:{__name__}:double",
        f"py:{__name__}:double",
        f"py:{__name__}:test_functions_are_the_objects_themselves.<locals>.local",
        f"py:{__name__}:test_functions_are_the_objects_themselves.<locals>.<lambda>",
        f"py:{__name__}:test_functions_are_the_objects_themselves.<locals>.<lambda>#2",
    ]
    assert list(plan.functions.values()) == [double, local, first, second]


def test_the_public_face() -> None:
    assert len(levada.__all__) <= 60
    for name in levada.__all__:
        assert getattr(levada, name).__doc__ or name == "Header"
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        levada.nothing  # noqa: B018


class TestArguments:
    """The base of all values binds arguments as a function of these fields would."""

    @pytest.mark.parametrize(
        ("make", "text"),
        [
            (lambda: StreamSink("out"), "StreamSink: expected an argument 'stream_name'"),
            (lambda: StreamSink("out", "out", topic="t"), "unexpected argument 'topic'"),
            (lambda: StreamSink("out", "out", name="o"), "argument 'name' is given twice"),
            (lambda: StreamSink("out", "out", origin=None), "unexpected argument 'origin'"),
            (lambda: Parser("p", "json", int), "expected at most 2 arguments without"),
            (lambda: Batch("b", 1, timedelta(1), 5), "expected at most 3 arguments without a name"),
        ],
    )
    def test_mistakes(self, make: Any, text: str) -> None:
        with pytest.raises(TypeError, match=text):
            make()

    def test_repr(self) -> None:
        shown = "Batch(name='b', on_error=None, retry=None, batch_size=1, batch_timedelta=None, "
        assert repr(Batch("b", 1)) == shown + "batch_bytes=None)"

    def test_hash(self) -> None:
        assert len({Batch("b", 1), Batch("b", 1), Batch("b", 2)}) == 2
