"""Generated values through Go and back: dict -> frame in C -> Go -> frame in Go -> dict."""

import datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kit import Function, Message, main, one

UTC = datetime.UTC
text = st.text(st.characters(exclude_categories=["Cs"]))
times = st.datetimes(timezones=st.just(UTC)).map(lambda t: t.replace(fold=0))  # UTC folds nothing
waits = st.integers(-(2**63) // 1000 + 1, 2**63 // 1000 - 1).map(
    lambda us: datetime.timedelta(microseconds=us)
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False)
    | text
    | st.binary()
    | times
    | waits
)
anything = st.recursive(scalars, lambda v: st.lists(v) | st.dictionaries(text, v), max_leaves=30)


def sized(bits, signed=True):
    return (
        st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        if signed
        else st.integers(0, 2**bits - 1)
    )


inner = st.deferred(
    lambda: st.fixed_dictionaries(
        {"name": text, "next": st.none() | inner},
        optional={"more": st.lists(inner, min_size=1, max_size=2)},
    )
)
everything = st.fixed_dictionaries(
    {
        "kind": st.just("every"),
        "bool": st.booleans(),
        "i8": sized(8),
        "i16": sized(16),
        "i32": sized(32),
        "i64": sized(64),
        "u8": sized(8, False),
        "u16": sized(16, False),
        "u32": sized(32, False),
        "u64": sized(64, False),
        "f32": st.floats(width=32, allow_nan=False),
        "f64": st.floats(allow_nan=False),
        "str": text,
        "bytes": st.binary(),
        "time": times,
        "list": st.lists(sized(64)),
        "map": st.dictionaries(text, st.floats(allow_nan=False)),
        "ptr": st.none() | text,
        "any": anything,
        "inner": inner,
        "inners": st.lists(inner, max_size=3),
        "wait": waits,
        "at": times,
        "pair": st.tuples(st.none() | inner, st.none() | inner),
    },
    optional={
        "old": st.just(True),
        "state": st.none() | text,
        "opt": text.filter(bool),
        "opt_ptr": sized(64),
    },
)

HARD = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


def exactly(a, b):
    """Equal, with the same types: 1, 1.0 and True are three values; -0.0 and 0.0 are two."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(exactly(v, b[k]) for k, v in a.items())
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(exactly, a, b))
    return repr(a) == repr(b)


@HARD
@given(st.lists(everything, min_size=1, max_size=3))
def test_structs(values):
    got = Function("go:test.Everything", "").call_batch([Message(v) for v in values])
    assert all(map(exactly, values, got)), (values, got)


@HARD
@given(anything)
def test_any(value):
    got = Function("go:test.Any", "")(Message(value))
    assert exactly(value, got), (value, got)


@HARD
@given(
    st.fixed_dictionaries({"id": sized(64)}),
    st.dictionaries(text.filter(lambda k: k != "id"), anything),
)
def test_extra(named, extra):
    value = {**extra, **named}
    got = Function("go:test.Open", "")(Message(value))
    assert exactly(value, got), (value, got)


shape = st.deferred(
    lambda: (
        st.fixed_dictionaries({"kind": st.just("circle"), "radius": st.floats(allow_nan=False)})
        | st.fixed_dictionaries(
            {"kind": st.just("group"), "parts": st.lists(shape, max_size=2)},
            optional={"named": st.dictionaries(text, shape, min_size=1, max_size=2)},
        )
    )
)
scalar = (
    st.booleans()
    | sized(64)
    | text
    | st.lists(st.floats(allow_nan=False))
    | st.fixed_dictionaries({"x": sized(64)}, optional={"y": sized(64)})
    | st.fixed_dictionaries({"first": text})
)
unions = st.fixed_dictionaries(
    {
        "shape": shape,
        "list": st.lists(scalar, max_size=4),
        "map": st.dictionaries(text, shape, max_size=2),
        "pair": st.tuples(scalar, scalar),
        "null": st.none() | scalar,
    },
    optional={"three": st.none() | shape},
)


@HARD
@given(st.lists(unions, min_size=1, max_size=3))
def test_unions(values):
    got = Function("go:test.Unions", "").call_batch([Message(v) for v in values])
    assert all(map(exactly, values, got)), (values, got)


@HARD
@given(shape)
def test_root_unions(value):
    got = Function("go:test.Shape", "")(Message(value))
    assert exactly(value, got), (value, got)


@HARD
@given(st.lists(shape, min_size=1, max_size=3), st.randoms())
def test_variants_are_told_in_any_order(values, rnd):
    """Members in any order, and some that no variant names."""

    def shuffled(v):
        if isinstance(v, list):
            return [shuffled(x) for x in v]
        if not isinstance(v, dict):
            return v
        items = [(k, shuffled(x)) for k, x in v.items()]
        if "kind" in v:
            items.append(("strange", [1]))
        rnd.shuffle(items)
        return dict(items)

    got = Function("go:test.Shape", "").call_batch([Message(shuffled(v)) for v in values])
    assert all(map(exactly, values, got)), (values, got)


def test_no_variant():
    def fails(value, text, name="go:test.Shape"):
        try:
            Function(name, "")(Message(value))
        except (TypeError, ValueError) as e:
            assert text in str(e), e
        else:
            raise AssertionError(value)

    fails(1, "expected `Circle` or `Group`, got `int` - at `$`")
    fails({"kind": "group", "parts": [{}]}, "got a dict with the constants and required members")
    fails({"kind": "group", "parts": [{}]}, " - at `$.parts[0]`")
    good = {"shape": {"kind": "circle", "radius": 1.0}, "list": [], "map": {}, "pair": (1, 2)}
    fails({**good, "null": 1.5}, "got `float` - at `$.null`", "go:test.Unions")
    both = {**good, "null": {"x": 1, "first": ""}}
    fails(both, "that may be `Point` and `Name`", "go:test.Unions")


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | text,
    lambda v: st.lists(v) | st.dictionaries(text, v),
    max_leaves=20,
)


def as_json(a, b):
    """Equal where b was JSON in between: 1.0 is 1 there."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(as_json(v, b[k]) for k, v in a.items())
    if isinstance(a, list):
        return len(a) == len(b) and all(map(as_json, a, b))
    return float(b) == a if isinstance(a, float) else a == b


@settings(HARD, max_examples=150)
@given(st.lists(json_values, min_size=1, max_size=5))
def test_through_a_step(values):
    """JSON -> frame in Go -> Python -> frame in C -> JSON."""
    seen = []
    got = one(("map", lambda m: seen.append(m.payload) or m.payload), type="any", values=values)
    assert not got["failed"], got
    assert all(map(exactly, values, seen)), (values, seen)
    assert all(map(as_json, values, got["payloads"])), (values, got)


main(globals())
