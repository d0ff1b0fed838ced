"""Runs of Python steps over chunks."""

import base64
import gc
import os
import subprocess
import sys

from kit import METRIC, Message, chain, main, native, one, raises, run


def b64(*values):
    return [None if v is None else base64.b64encode(v).decode() for v in values]


def delta(before):
    after = native.counters()
    return {k: after[k] - before[k] for k in after}


def test_one_crossing_per_chunk_and_run():
    before = native.counters()
    got = one(
        ("filter", lambda m: m.payload["org_id"] != 2),
        ("map", lambda m: {**m.payload, "a": 1}),
        ("map", lambda m: {**m.payload, "b": 2}),
        type="Metric",
        values=[{**METRIC, "org_id": i} for i in (1, 2, 3)],
    )
    d = delta(before)
    assert (d["crossings"], d["gil_acquisitions"], d["python_calls"]) == (1, 1, 3 + 2 + 2), d
    assert [p["b"] + p["a"] for p in got["payloads"]] == [3, 3] and got["origin"] == [0, 2]


def test_untouched_messages_convert_nothing():
    before = native.counters()
    got = one(
        ("filter", lambda m: True), ("filter", lambda m: False), type="Metric", values=[METRIC] * 10
    )
    d = delta(before)
    assert (d["crossings"], d["conversions"]) == (1, 0), d
    assert got["payloads"] == [] and got["column"].startswith("*program.Values")


def test_a_run_of_filters_keeps_the_column():
    for kind, values, column in (
        ("Metric", [METRIC] * 3, "*program.Values["),
        ("bytes", b64(b"a", b"b", b"c"), "record.Bytes"),
        ("any", [1, 2, 3], "*frame.Column"),
    ):
        got = one(("filter", lambda m: m.offset != 1), type=kind, values=values, form="raw")
        assert got["column"].startswith(column), got["column"]
        assert got["payloads"] == [values[0], values[2]] and got["origin"] == [0, 2]


def test_raw_results():
    seen = []
    got = one(
        ("map", lambda m: seen.append(m.payload) or (m.payload and m.payload + b"!")),
        type="bytes",
        values=b64(b"a", b"", None, b"\0"),
        form="raw",
    )
    assert seen == [b"a", b"", None, b"\0"]
    assert got["payloads"] == b64(b"a!", b"", None, b"\0!") and not got["failed"]


def test_a_forgotten_return_is_no_tombstone():
    got = one(
        ("map", lambda m: m.payload and None), type="bytes", values=b64(b"a", None), form="raw"
    )
    assert got["payloads"] == [None] and got["origin"] == [1]
    assert got["failed"][0]["Offset"] == 0
    assert (
        got["failed"][0]["Message"]
        == "returned value: expected `bytes`, got `None` (to write a null, return msg.with_payload(None)) - at `$`"  # noqa: E501
    )
    got = one(("map", lambda m: m.with_payload(None)), type="bytes", values=b64(b"a"), form="raw")
    assert got["payloads"] == [None] and not got["failed"]


def test_results_that_do_not_fit():
    def failed(result, form, kind="any", value=1):
        (f,) = one(("map", lambda m: result), type=kind, values=[value], form=form)["failed"]
        assert f["Step"] == "step0" and f["Type"] == ""
        return f["Message"]

    assert failed("text", "raw") == "returned value: expected `bytes`, got `str` - at `$`"
    assert failed(None, "Metric") == "returned value: expected `dict`, got `None` - at `$`"
    assert (
        failed({**METRIC, "value": [1.0, "2"]}, "Metric")
        == "returned value: expected `float`, got `str` - at `$.value[1]`"
    )
    assert "got `object` - at `$[0].a`" in failed([{"a": object()}], "dynamic")
    assert "missing member `org_id` - at `$`" in failed({}, "Metric")


def test_go_values():
    got = one(
        ("map", lambda m: {**METRIC, "org_id": m.payload}), type="any", values=[1, 2], form="Metric"
    )
    assert got["column"].startswith("*program.Values[main.Metric]"), got["column"]
    assert [p["org_id"] for p in got["payloads"]] == [1, 2] and not got["failed"]


def test_a_panic_on_the_way_into_python_is_of_its_message():
    def seen(op, functions):
        values = [{"mood": m, "n": i} for i, m in enumerate(("fine", "bad", "good", "bad"))]
        (got,) = run(functions, ops=[op], type="Moody", values=values)["chunks"]
        assert [(p["mood"], p["n"]) for p in got["payloads"]] == [("fine", 0), ("good", 2)], got
        assert [f["Offset"] for f in got["failed"]] == [1, 3], got
        return got["failed"]

    for f in seen(*chain(("map", lambda m: m.payload))):
        assert (f["Step"], f["Type"]) == ("step0", "ValueError"), f
        assert f["Message"].startswith("ValueError: panic in the encoder: runtime error: "), f
        assert "IsZero" in f["Traceback"], f
    # Where no step of Python has a part in it, the values become frames all the same.
    for f in seen({"calls": [], "form": "dynamic"}, {}):
        assert "panic in a method of main.Moody, or of what is in it: runtime" in f["Message"], f


def test_errors_keep_the_step_and_the_traceback():
    def inner(m):
        raise KeyError(f"no {m.offset}")

    def outer(m):
        if m.offset == 1:
            inner(m)
        return m.payload

    class Custom(Exception):
        def __str__(self):
            raise RuntimeError("no text")

    def third(m):
        if m.offset == 2:
            raise Custom
        if m.offset == 3:
            raise ValueError("a\ud800b")
        return m.payload

    got = one(
        ("map", lambda m: m.payload),
        ("map", outer),
        ("map", third),
        type="any",
        values=[0, 1, 2, 3, 4],
    )
    assert got["payloads"] == [0, 4] and got["origin"] == [0, 4]
    a, b, c = got["failed"]
    assert (a["Offset"], a["Step"], a["Type"], a["Message"]) == (
        1,
        "step1",
        "KeyError",
        "KeyError: 'no 1'",
    )
    assert "in inner" in a["Traceback"] and "in outer" in a["Traceback"]
    assert (b["Offset"], b["Step"], b["Type"]) == (
        2,
        "step2",
        "__main__.test_errors_keep_the_step_and_the_traceback.<locals>.Custom",
    )
    assert (c["Offset"], c["Message"]) == (3, "ValueError: a\\ud800b")


def test_a_filter_needs_a_truth_value():
    class Unsure:
        def __bool__(self):
            raise TypeError("neither")

    got = one(("filter", lambda m: [Unsure(), "", "x"][m.offset]), type="any", values=[0, 1, 2])
    assert got["payloads"] == [2] and got["failed"][0]["Message"] == "TypeError: neither"


def test_flat_map():
    def fan(m):
        yield from range(m.payload)
        if m.payload == 3:
            raise ValueError("late")

    got = one(
        ("flat_map", fan), ("map", lambda m: [m.payload, m.offset]), type="any", values=[2, 0, 3, 1]
    )
    assert got["payloads"] == [[0, 0], [1, 0], [0, 3]] and got["origin"] == [0, 0, 3]
    assert [(f["Offset"], f["Step"]) for f in got["failed"]] == [(2, "step0")]

    for result, name in (
        (None, "None"),
        ("ab", "str"),
        (b"ab", "bytes"),
        ({"a": 1}, "dict"),
        (7, "int"),
        (Message(1), "Message"),
    ):
        (f,) = one(("flat_map", lambda m, result=result: result), type="any", values=[1])["failed"]
        assert (
            f["Message"]
            == f"returned value: expected an iterable of payloads, got `{name}` - at `$`"
        ), f


def test_an_element_of_a_flat_map_fails_alone():
    def odd(m):
        if m.payload % 2:
            raise ValueError(str(m.payload))
        return m.payload

    got = one(("flat_map", lambda m: [0, 1, 2, 3]), ("map", odd), type="any", values=[None])
    assert got["payloads"] == [0, 2] and [f["Step"] for f in got["failed"]] == ["step1", "step1"]


def test_metadata():
    seen = []

    def look(m):
        seen.append((m.key, m.headers, m.timestamp, m.topic, m.partition, m.offset))
        return m.payload

    one(("map", look), type="any", values=[1, 2], keys=["k", None])
    assert seen == [
        (b"k", [("trace", b"t0"), ("null", None)], 1700000000.5, "in", 3, 0),
        (None, [("trace", b"t1"), ("null", None)], 1700000000.5, "in", 3, 1),
    ]


def test_a_step_sets_payload_key_and_headers():
    seen = []
    got = one(
        ("map", lambda m: m.with_payload("new").with_key(b"set").with_header("a", b"b")),
        ("filter", lambda m: seen.append((m.payload, m.key, m.headers[-1], m.offset)) or True),
        ("map", lambda m: m.payload + "!"),
        type="any",
        values=[1],
        keys=["old"],
    )
    assert seen == [("new", b"set", ("a", b"b"), 0)]
    assert got["payloads"] == ["new!"] and got["keys"] == ["set"]
    assert got["headers"] == [[["trace", "t0"], ["null", ""], ["a", "b"]]]


def test_returning_the_message_changes_nothing():
    before = native.counters()
    got = one(("map", lambda m: m), type="any", values=[1, 2], keys=["a", None])
    assert got["payloads"] == [1, 2] and got["keys"] == ["a", None]
    assert delta(before)["conversions"] == 2  # payloads only


def test_wrong_keys_and_headers():
    (f,) = one(("map", lambda m: m.with_key("text")), type="any", values=[1])["failed"]
    assert "`bytes` or `None`, got `str` - at `$.key`" in f["Message"], f
    (f,) = one(("map", lambda m: Message(1, headers=[("a", 1)])), type="any", values=[1])["failed"]
    assert "at `$.headers[0]`" in f["Message"], f


def test_a_value_that_go_can_not_encode_fails_when_it_is_touched():
    # A time before the year 0 has no form on the wire; see Everything.
    got = one(("map", lambda m: m.offset), type="Metric", values=[METRIC])
    assert got["payloads"] == [0]


def test_invalid_utf8_from_go():
    bad = base64.b64encode(b"\xff").decode()
    got = one(("map", lambda m: m.payload.decode()), type="bytes", values=[bad])
    assert got["failed"][0]["Type"] == "UnicodeDecodeError"


def test_route():
    def routed(fn, values, otherwise=-1):
        functions = {"py:0": fn}
        (c,) = run(
            functions,
            type="any",
            values=values,
            router={"Function": "py:0", "Cases": ["a", 1, True, None], "Otherwise": otherwise},
        )["chunks"]
        return c

    got = routed(lambda m: m.payload, ["a", 1, True, "a"], otherwise=3)
    assert got["branches"] == [0, 1, 2, 0] and got["payloads"] == ["a", 1, True, "a"]
    got = routed(lambda m: m.payload, ["a", "b", 2, False, 1.5, None])
    assert got["branches"] == [0] and got["payloads"] == ["a"]
    assert [f["Message"] for f in got["failed"]][:2] == [
        "returned value: expected `str`, `int` or `bool`, got `float` - at `$`",
        "returned value: expected `str`, `int` or `bool`, got `None` - at `$`",
    ]
    assert {f["Message"] for f in got["failed"]} >= {
        'no case for "b" and no otherwise',
        "no case for 2 and no otherwise",
        "no case for false and no otherwise",
    }
    got = routed(lambda m: m.payload, ["zzz"], otherwise=3)
    assert got["branches"] == [3]


class Thing:
    alive = 0

    def __init__(self, n):
        self.n = n
        Thing.alive += 1

    def __del__(self):
        Thing.alive -= 1


def two(first, second, **script):
    """Two operators, with a column of objects between them."""
    op1, f1 = chain(("map", first), form="objects")
    op2, f2 = chain(("map", second))
    op2["calls"][0] |= {"Function": "py:second", "Step": "second"}
    return run({**f1, "py:second": f2["py:0"]}, ops=[op1, op2], type="any", **script)["chunks"]


def test_objects_between_operators():
    (got,) = two(lambda m: Thing(m.payload), lambda m: m.payload.n, values=[1, 2, 3])
    assert got["payloads"] == [1, 2, 3]
    assert Thing.alive == 0, Thing.alive


def test_objects_of_failed_elements_are_released():
    def second(m):
        if m.payload.n == 2:
            raise ValueError
        return m.payload.n

    (got,) = two(lambda m: Thing(m.payload), second, values=[1, 2, 3])
    assert got["payloads"] == [1, 3]
    del got
    gc.collect()
    assert Thing.alive == 0, Thing.alive


def test_branches_do_not_see_each_other():
    def change(m):
        m.payload["n"].append(m.offset)
        m.payload["seen"] = True
        return m.payload

    chunks = two(lambda m: {"n": [m.payload]}, change, values=[5, 6], branch=True)
    assert [c["payloads"] for c in chunks] == [
        [{"n": [5, 0], "seen": True}, {"n": [6, 1], "seen": True}]
    ] * 2


def test_batches_of_objects():
    (got,) = two(
        lambda m: Thing(m.payload), lambda m: [t.n for t in m.payload], values=[1, 2, 3], batch=True
    )
    assert got["payloads"] == [[1, 2, 3]]
    gc.collect()
    assert Thing.alive == 0, Thing.alive


def test_conversions_without_steps():
    def converted(kind, values, form):
        return run({}, type=kind, values=values, ops=[{"calls": [], "form": form}])["chunks"][0]

    before = native.counters()
    assert converted("any", [METRIC], "Metric")["payloads"] == [METRIC]
    assert converted("Metric", [METRIC], "dynamic")["payloads"] == [METRIC]
    assert converted("bytes", b64(b"x", None), "raw")["payloads"] == b64(b"x", None)
    assert delta(before)["crossings"] == 0
    got = converted("any", [METRIC, {"org_id": 1}], "Metric")
    assert got["payloads"] == [METRIC] and "missing" in got["failed"][0]["Message"], got
    op1, f1 = chain(("map", lambda m: Message(m.payload)), form="objects")
    assert run(f1, ops=[op1, {"calls": [], "form": "Metric"}], type="any", values=[METRIC])[
        "chunks"
    ][0]["payloads"] == [METRIC]


def test_empty_chunks():
    for form, column in (
        ("raw", "record.Bytes"),
        ("dynamic", "*frame.Column"),
        ("objects", "*bridge.Objects"),
        ("Metric", "*program.Values[main.Metric]"),
    ):
        got = one(("map", lambda m: m), type="any", values=[], form=form)
        assert got["column"].startswith(column.split("[")[0]), got


def test_the_clock_cap_pauses_and_goes_on():
    import time

    before = native.counters()
    got = one(("map", lambda m: time.sleep(0.03) or m.offset), type="any", values=[0] * 12)
    assert got["payloads"] == list(range(12))
    assert 2 <= delta(before)["crossings"] <= 5, delta(before)


def test_unknown_functions():
    (c,) = run(
        {},
        type="any",
        values=[1],
        ops=[{"calls": [{"Step": "s", "Kind": "map", "Function": "py:x"}], "form": "raw"}],
    )["chunks"]
    assert "py:x: not among those that Python has brought" in c["error"]


def test_interrupts_stop_the_run():
    for error in (KeyboardInterrupt("stop"), SystemExit(3)):

        def step(m, error=error):
            if m.offset == 1:
                raise error
            return 1

        chunk = one(("map", step), type="any", values=[1, 2, 3])
        assert chunk["error"].startswith(f'step "step0": {type(error).__name__}: '), chunk


def test_main_refuses_what_it_can_not_use():
    raises(TypeError, "argv, plan, manifest and functions", native.main, [])
    raises(TypeError, "argv: expected str, got int", native.main, [1], "", "", {})
    raises(TypeError, "expected callables", native.main, [], "", "", {"a": 1})
    raises(TypeError, "expected a dict", native.main, [], "", "", [])
    raises(TypeError, "functions: expected str", native.main, [], "", "", {1: print})


def test_a_step_without_gil_free_main():
    """main waits without the GIL: another Python thread goes on."""
    code = (
        "import sys, threading, time; sys.path.insert(0, sys.argv[1]); import kit\n"
        "n = []\n"
        "t = threading.Thread(target=lambda: [n.append(time.sleep(0.01)) for _ in range(20)]); t.start()\n"  # noqa: E501
        "kit.one(('map', lambda m: time.sleep(0.3)), type='any', values=[1])\n"
        "assert len(n) > 10, len(n); t.join()"
    )
    subprocess.run([sys.executable, "-c", code, os.path.dirname(__file__)], check=True, timeout=30)


main(globals())
