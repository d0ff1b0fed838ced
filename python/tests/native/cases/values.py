"""Values over the border, both ways, through a Go step that returns what it gets."""

import collections
import datetime
import enum
import gc
import json
import math

from kit import METRIC, Function, Message, main, native, raises

UTC = datetime.UTC
identity = {
    n: Function(f"go:test.{n}", "") for n in ("Metric", "Everything", "Open", "Any", "Bytes")
}

EVERYTHING = {
    "bool": True,
    "i8": -128,
    "i16": -32768,
    "i32": -(2**31),
    "i64": -(2**63),
    "u8": 255,
    "u16": 65535,
    "u32": 2**32 - 1,
    "u64": 2**64 - 1,
    "f32": 0.5,
    "f64": 1e300,
    "str": "grün \U0001f600 \0",
    "bytes": b"\0\xff",
    "time": datetime.datetime(2024, 2, 29, 23, 59, 59, 999999, tzinfo=UTC),
    "list": [1, -1],
    "map": {"b": 2.5, "a": 1.0},
    "ptr": "set",
    "any": {"k": [None, True, 1.5, "x", b"y"]},
    "opt": "here",
    "opt_ptr": 7,
    "inner": {"name": "a", "next": {"name": "b", "next": None}},
    "inners": [{"name": "c", "next": None, "more": [{"name": "d", "next": None}]}],
    "wait": datetime.timedelta(days=-1, microseconds=1),
    "at": datetime.datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    "pair": ({"name": "e", "next": None}, None),
    "kind": "every",
    "old": True,
}


def through(name, value):
    return identity[name](Message(value))


def everything(**changes):
    return {**EVERYTHING, **changes}


def test_every_kind():
    got = through("Everything", EVERYTHING)
    assert got == EVERYTHING, got
    assert list(got) == list(EVERYTHING)
    assert got["time"].tzinfo is UTC
    assert list(got["map"]) == ["a", "b"]  # a Go map has no order: sorted


def test_nulls_and_absent_members():
    value = everything(ptr=None, any=None)
    del value["opt"], value["opt_ptr"], value["old"]
    assert through("Everything", value) == value
    order = [k for k in EVERYTHING if k in value]
    assert list(through("Everything", value)) == order


def test_three_states():
    for state in ({}, {"state": None}, {"state": ""}, {"state": "x"}):
        value = everything(**state)
        assert through("Everything", value) == value


def test_extra_members_survive():
    value = {"id": 1, "z": [1, {"y": None}], "a": "b"}
    assert through("Open", value) == value
    assert through("Open", {"id": 2}) == {"id": 2}


def test_unknown_members_are_dropped():
    assert through("Metric", {**METRIC, "other": object()}) == METRIC


def test_subclasses_of_builtins():
    class Color(enum.IntEnum):
        RED = 1

    class Name(str):
        pass

    class Ratio(float):
        pass

    value = collections.OrderedDict(METRIC, org_id=Color.RED, name=Name("n"), value=[Ratio(0.5), 1])
    value["tags"] = collections.defaultdict(str, a="b")
    assert through("Metric", value) == {
        **METRIC,
        "name": "n",
        "tags": {"a": "b"},
        "value": [0.5, 1.0],
    }
    assert through("Metric", {**METRIC, "value": (1.0, 2.0)})["value"] == [1.0, 2.0]


def test_any():
    for value in [
        None,
        True,
        False,
        0,
        -(2**63),
        2**63 - 1,
        2**63,
        2**64 - 1,
        0.5,
        "",
        "x" * 100,
        b"",
        [],
        {},
        [[[]]],
        {"a": {"b": [1, {"c": None}]}},
        datetime.datetime(1, 1, 1, tzinfo=UTC),
        datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    ]:
        got = through("Any", value)
        assert got == value and type(got) is type(value), (value, got)
    assert through("Any", (1, 2)) == [1, 2]
    assert math.isnan(through("Any", math.nan))
    assert through("Any", math.inf) == math.inf


def test_times():
    plus = datetime.timezone(datetime.timedelta(hours=5, minutes=30))
    t = datetime.datetime(2024, 3, 1, 4, 0, tzinfo=plus)
    assert through("Any", t) == t and through("Any", t).tzinfo is UTC
    for days in range(-700_000, 700_000, 9973):  # over leap years and centuries
        t = datetime.datetime(2000, 3, 1, 12, 34, 56, 7, tzinfo=UTC) + datetime.timedelta(days=days)
        assert through("Any", t) == t, t

    class Broken(datetime.tzinfo):
        def utcoffset(self, _):
            raise LookupError("no zone")

    raises(LookupError, "no zone", through, "Any", datetime.datetime(2024, 1, 1, tzinfo=Broken()))


def test_a_time_zone_that_changes_the_value_while_it_is_read():
    """A tzinfo is the one place where encoding runs code of the user."""
    payload = {"list": [], "z": 1}

    class Evil(datetime.tzinfo):
        def utcoffset(self, _):
            payload["list"].clear()
            payload.clear()
            gc.collect()
            return datetime.timedelta(0)

    for _ in range(20):
        payload["list"] = [datetime.datetime(2024, 1, 1, tzinfo=Evil()), "x" * 40, "y" * 40]
        payload["z"] = 1
        through("Any", payload)


# Fault: lone surrogates -> goes on: the element fails with its path, says: lone surrogate - at
#   `$.name`
def test_what_does_not_fit_is_told_with_its_path():
    def wrong(name, value, text, kind=TypeError):
        raises(kind, text, through, name, value)

    m = METRIC
    wrong("Metric", {**m, "org_id": "1"}, "expected `int`, got `str` - at `$.org_id`")
    wrong("Metric", {**m, "org_id": True}, "expected `int`, got `bool` - at `$.org_id`")
    wrong("Metric", {**m, "org_id": 1.0}, "expected `int`, got `float` - at `$.org_id`")
    wrong("Metric", {**m, "value": [1.0, "x"]}, "expected `float`, got `str` - at `$.value[1]`")
    wrong("Metric", {**m, "value": {1.0}}, "expected `list`, got `set` - at `$.value`")
    wrong("Metric", {**m, "tags": {"a": 1}}, "expected `str`, got `int` - at `$.tags.a`")
    wrong("Metric", {**m, "tags": {"a b": 1}}, 'at `$.tags["a b"]`')
    wrong(
        "Metric", {**m, "tags": {1: "a"}}, "expected keys of `str`, got one of `int` - at `$.tags`"
    )
    wrong("Metric", {**m, "tags": None}, "expected `dict`, got `None` - at `$.tags`")
    wrong("Metric", None, "expected `dict`, got `None` - at `$`")
    wrong("Metric", [m], "expected `dict`, got `list` - at `$`")
    wrong(
        "Metric",
        {k: v for k, v in m.items() if k != "name"},
        "missing member `name` - at `$`",
        ValueError,
    )
    wrong(
        "Metric",
        {**m, "org_id": 2**63},
        "int64, got 9223372036854775808 - at `$.org_id`",
        OverflowError,
    )
    wrong("Metric", {**m, "org_id": 10**5000}, "got a larger one - at `$.org_id`", OverflowError)
    wrong("Metric", {**m, "value": [10**400]}, "at `$.value[0]`", OverflowError)
    wrong("Metric", {**m, "name": "a\ud800"}, "lone surrogate - at `$.name`", ValueError)
    wrong(
        "Everything",
        everything(i8=128),
        "expected `int` of int8, got 128 - at `$.i8`",
        OverflowError,
    )
    wrong("Everything", everything(u8=-1), "uint8, got -1", OverflowError)
    wrong("Everything", everything(u64=2**64), "uint64, got 18446744073709551616", OverflowError)
    wrong("Everything", everything(u64=-1), "uint64, got -1", OverflowError)
    wrong("Everything", everything(bool=1), "expected `bool`, got `int` - at `$.bool`")
    wrong("Everything", everything(bytes="x"), "expected `bytes`, got `str` - at `$.bytes`")
    wrong("Everything", everything(bytes=bytearray(b"x")), "expected `bytes`, got `bytearray`")
    wrong("Everything", everything(time="2024"), "expected `datetime`, got `str` - at `$.time`")
    wrong(
        "Everything",
        everything(time=datetime.datetime(2024, 1, 1)),
        "with a time zone, got one without - at `$.time`",
        ValueError,
    )
    wrong("Everything", everything(opt=None), "expected `str`, got `None` - at `$.opt`")
    wrong("Everything", everything(inners=[{"name": 1, "next": None}]), "at `$.inners[0].name`")
    wrong(
        "Everything",
        everything(inner={"name": "", "next": {"name": "", "next": {"name": 0}}}),
        "at `$.inner.next.next.name`",
    )
    wrong("Everything", everything(any={"x": [object()]}), "got `object` - at `$.any.x[0]`")
    wrong(
        "Everything",
        everything(kind="any"),
        "expected `'every'`, got `'any'` - at `$.kind`",
        ValueError,
    )
    wrong("Everything", everything(kind=None), "expected `str`, got `None` - at `$.kind`")
    wrong("Everything", everything(old=False), "got `False` - at `$.old`", ValueError)
    wrong("Any", 2**64, "64 bits, got 18446744073709551616 - at `$`", OverflowError)
    wrong("Any", {"a": {2: 3}}, "expected keys of `str`, got one of `int` - at `$.a`")
    wrong("Bytes", "text", "expected `bytes`, got `str` - at `$`")


def test_depth():
    def nested(depth):
        value = []
        for _ in range(depth - 1):
            value = [value]
        return value

    got, depth = through("Any", nested(5000)), 0
    while got:
        got, depth = got[0], depth + 1
    assert depth == 4999
    raises(ValueError, "nested deeper than 10000", through, "Any", nested(10_001))
    loop = []
    loop.append(loop)
    raises(ValueError, "nested deeper than 10000", through, "Any", loop)
    loop = {}
    loop["a" * 50] = loop
    raises(ValueError, "...", through, "Any", loop)


def test_strings_of_every_length():
    """Around the size that the cache takes, and with equal hashes of parts."""
    for n in [*list(range(70)), 1000, 70000]:
        for c in "aé€\U0001f600":
            s = (c * n)[:n]
            assert through("Any", [s, s + "x", s]) == [s, s + "x", s]
    many = [f"key-{i}" for i in range(20_000)]
    assert through("Any", many) == many


def test_a_member_with_eq_of_its_own():
    class Key(str):
        def __eq__(self, other):
            raise RuntimeError("compared")

        __hash__ = str.__hash__

    raises(RuntimeError, "compared", through, "Metric", {Key("org_id"): 1})


def test_large():
    value = {**METRIC, "value": [float(i) for i in range(200_000)]}
    assert through("Metric", value) == value
    assert through("Bytes", b"x" * 10_000_000) == b"x" * 10_000_000


def test_json_like_values_are_equal_to_those_of_json():
    text = json.dumps(EVERYTHING, default=str)
    assert through("Any", json.loads(text)) == json.loads(text)
    assert native.counters()["call_ins"] > 0


main(globals())
