"""No reference is lost: needs a debug build of CPython, which counts them all."""

import gc
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "cases"))

# A distribution's debug interpreter has modules of the release build beside it, whose
# references it does not count: json in Python.
sys.modules["_json"] = None  # type: ignore[assignment]

from kit import METRIC, Function, Message, chain, one, run  # noqa: E402

metric, fail = Function("go:test.Metric", ""), Function("go:test.Fail", "")
kept = []
ROUNDS = 300


def quiet(call):
    try:
        call()
    except Exception:
        return


def failing(m):
    if m.offset % 5 == 1:
        raise ValueError("x")
    return m.payload


def keeping(m):
    kept.append(m)
    return


def keep():
    chunk(("filter", keeping))
    assert all(m.payload == METRIC and m.headers for m in kept)
    kept.clear()


def chunk(*steps, **more):
    one(*steps, type="Metric", values=[METRIC] * 10, **more)


def objects():
    op, functions = chain(("map", lambda m: m.payload), form="objects")
    run(functions, ops=[op, {"calls": [], "form": "dynamic"}], type="Metric", values=[METRIC] * 10)


def branches():
    op, functions = chain(("map", lambda m: m.payload), form="objects")
    ops = [op, {"calls": [], "form": "dynamic"}]
    run(functions, ops=ops, type="any", values=[[1], {"a": 2}], branch=True)


def route():
    router = {"Function": "py:0", "Cases": ["a"], "Otherwise": 0}
    run({"py:0": lambda m: "a"}, type="any", values=[1, 2], router=router)


WORK = {
    "batch": lambda: metric.call_batch([Message(METRIC, b"k", [("a", b"b")])] * 10),
    "call": lambda: metric(Message(METRIC)),
    "wrong type": lambda: quiet(lambda: metric(Message(1))),
    "wrong member": lambda: quiet(lambda: metric(Message({**METRIC, "value": [1, "x"]}))),
    "Go error": lambda: quiet(lambda: fail(Message(-1))),
    "message": lambda: Message(1, b"k").with_header("a", b"b").without_header("a").__reduce__(),
    "map": lambda: chunk(("map", lambda m: m.payload)),
    "go values": lambda: chunk(("map", lambda m: m.payload), form="Metric"),
    "filter": lambda: chunk(("filter", lambda m: True)),
    "chain": lambda: chunk(("map", lambda m: m.payload), ("filter", lambda m: m.payload)),
    "flat map": lambda: chunk(("flat_map", lambda m: [m, m.payload, 1])),
    "failing": lambda: chunk(("map", failing)),
    "metadata": lambda: chunk(("map", lambda m: [m.topic, m.offset, m.key, m.timestamp])),
    "set key": lambda: chunk(("map", lambda m: m.with_key(b"k").with_header("a", None))),
    "wrong result": lambda: chunk(("map", lambda m: object())),
    "kept": keep,
    "objects": objects,
    "branches": branches,
    "route": route,
}

bad = 0
for name, work in WORK.items():
    for _ in range(50):
        work()
    gc.collect()
    before = sys.gettotalrefcount()
    for _ in range(ROUNDS):
        work()
    gc.collect()
    lost = (sys.gettotalrefcount() - before) / ROUNDS
    print(f"{name}: {lost:+.2f} references per round")
    bad += lost > 0.5
sys.exit(bad)
