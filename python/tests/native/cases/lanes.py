"""A lane is one named Python thread."""

import sqlite3
import threading
import time

from kit import main, one, run


def step(fn, **script):
    functions = {"py:0": fn}
    ops = [{"calls": [{"Step": "s", "Kind": "map", "Function": "py:0"}], "form": "dynamic"}]
    return run(functions, ops=ops, type="any", **script)["chunks"]


def test_threading_local_is_kept():
    local, made = threading.local(), []

    def count(m):
        if not hasattr(local, "n"):
            local.n = 0
            made.append(threading.current_thread().name)
        local.n += 1
        return local.n

    chunks = step(count, values=[0] * 5, repeat=40, lanes=2)
    assert sorted(made) == ["levada-lane-0", "levada-lane-1"], made
    assert sorted(max(c["payloads"]) for c in chunks)[-2:] == [200, 200]


def test_a_sqlite_connection_per_lane():
    connections = {}

    def query(m):
        me = threading.get_ident()
        if me not in connections:
            connections[me] = sqlite3.connect(":memory:")  # used by this thread only, or it raises
            connections[me].execute("create table t(n)")
        connections[me].execute("insert into t values (?)", (m.offset,))
        return connections[me].execute("select count(*) from t").fetchone()[0]

    chunks = step(query, values=[0] * 10, repeat=50, lanes=2)
    assert len(chunks) == 100 and not [f for c in chunks for f in c["failed"]]
    assert len(connections) == 2
    connections.clear()


def test_lanes_that_wait_overlap():
    began = time.monotonic()
    step(lambda m: time.sleep(0.05), values=[0] * 4, lanes=4)
    spent = time.monotonic() - began
    assert spent < 4 * 4 * 0.05 * 0.7, spent  # 0.8 s one after the other


def test_start_and_stop_500_times():
    got = step(lambda m: m.offset, values=[0, 0], restart=500)
    assert len(got) == 500 and all(c["payloads"] == [0, 1] for c in got)
    names = [t.name for t in threading.enumerate() if t.name.startswith("levada-lane")]
    assert len(names) < 30, names


def test_main_500_times():
    for _ in range(500):
        got = one(("map", lambda m: m.offset), type="any", values=[0])
        assert got["payloads"] == [0]


main(globals())
