"""Compiled packages beside the extension, and their objects as payloads."""

import decimal
import uuid

import numpy
import orjson
import polars
from kit import METRIC, Function, Message, main, one, raises

identity = Function("go:test.Metric", "")


def test_they_work_beside_it():
    def step(m):
        data = orjson.loads(orjson.dumps(m.payload))
        frame = polars.DataFrame({"v": data["value"]})
        return {
            "sum": float(frame["v"].sum()),
            "mean": float(numpy.mean(numpy.array(data["value"]))),
        }

    got = one(("map", step), type="Metric", values=[METRIC] * 20)
    assert got["payloads"] == [{"sum": 15.25, "mean": 15.25 / 3}] * 20, got


def test_their_scalars_are_told_with_the_path():
    def wrong(member, value, text):
        raises(TypeError, text, identity, Message({**METRIC, member: value}))

    wrong("org_id", numpy.int64(1), "expected `int`, got `int64` - at `$.org_id`")
    wrong("value", [1.0, numpy.float32(1)], "expected `float`, got `float32` - at `$.value[1]`")
    wrong("value", numpy.array([1.0]), "expected `list`, got `ndarray` - at `$.value`")
    wrong("value", [decimal.Decimal(1)], "expected `float`, got `Decimal` - at `$.value[0]`")
    wrong("name", uuid.UUID(int=1), "expected `str`, got `UUID` - at `$.name`")
    wrong("tags", polars.DataFrame(), "expected `dict`, got `DataFrame` - at `$.tags`")
    raises(TypeError, "got `bool", Function("go:test.Any", ""), Message([numpy.bool_(True)]))
    # A float64 of numpy is a float to Python too.
    assert identity(Message({**METRIC, "value": [numpy.float64(0.5)]}))["value"] == [0.5]


def test_results_of_steps():
    got = one(("map", lambda m: {"n": numpy.int64(1)}), type="any", values=[1])
    assert "got `int64` - at `$.n`" in got["failed"][0]["Message"]
    got = one(("filter", lambda m: numpy.bool_(m.offset == 0)), type="any", values=[1, 2])
    assert got["payloads"] == [1]
    got = one(("filter", lambda m: numpy.array([1, 2])), type="any", values=[1])
    assert "ambiguous" in got["failed"][0]["Message"]
    got = one(
        ("flat_map", lambda m: numpy.array([b"x", b"y"], dtype=object)),
        type="any",
        values=[1],
        form="raw",
    )
    assert got["origin"] == [0, 0]


main(globals())
