"""Steps that keep their messages."""

import concurrent.futures
import copy
import gc
import pickle
import sys
import threading

from kit import METRIC, chain, main, one, run

METRICS = [
    {**METRIC, "org_id": i, "name": f"a name that is not in the string cache {i}"}
    for i in range(200)
]


def right(kept):
    assert len(kept) == len(METRICS)
    for i, m in enumerate(kept):
        assert m.payload == METRICS[i], (i, m.payload)
        assert (m.key, m.offset, m.topic, m.partition) == (f"key {i}".encode(), i, "in", 3)
        assert m.headers == [("trace", f"t{i}".encode()), ("null", None)]


def keys():
    return [f"key {i}" for i in range(len(METRICS))]


def chunk(step, **more):
    return one(("filter", step), type="Metric", values=METRICS, keys=keys(), **more)


def test_kept_untouched():
    kept = []
    chunk(lambda m: kept.append(m) or True)
    one(
        ("map", lambda m: m.payload), type="Metric", values=METRICS[::-1]
    )  # other bytes in the same memory
    right(kept)


def test_kept_touched():
    kept = []
    chunk(lambda m: bool(kept.append(m) or m.payload))
    right(kept)
    kept.clear()
    chunk(lambda m: bool(kept.append(m) or m.key))
    right(kept)


def test_kept_in_the_middle_of_a_chain():
    kept = []

    def keep(m):
        kept.append(m)
        return m.payload

    one(
        ("map", lambda m: {**m.payload, "x": m.offset}),
        ("map", keep),
        ("map", lambda m: None),
        type="Metric",
        values=METRICS,
        keys=keys(),
    )
    assert [m.payload["x"] for m in kept] == list(range(len(METRICS)))
    assert [m.key for m in kept] == [k.encode() for k in keys()]


def test_kept_by_a_step_that_fails():
    kept = []

    def step(m):
        kept.append(m)
        raise ValueError("no")

    got = chunk(step)
    assert len(got["failed"]) == len(METRICS)
    right(kept)


def test_kept_by_a_traceback():
    errors = []

    def step(m):
        try:
            raise ValueError("x")
        except ValueError as e:
            errors.append(e)
            raise

    chunk(step)
    right([e.__traceback__.tb_frame.f_locals["m"] for e in errors])


def test_kept_under_collection():
    kept, old = [], gc.get_threshold()
    gc.set_threshold(1, 1, 1)

    def step(m):
        m_in_cycle = [m]
        m_in_cycle.append(m_in_cycle)
        if m.offset % 2:
            m.payload["self"] = m
        kept.append(m)
        gc.collect(0)
        return True

    try:
        chunk(step)
    finally:
        gc.set_threshold(*old)
    for m in kept:
        m.payload.pop("self", None)
    right(kept)


def test_dropped_cycles_are_collected():
    def step(m):
        m.payload["self"] = m
        return True

    gc.collect()
    before = sum(type(o).__name__ == "Message" for o in gc.get_objects())
    chunk(step)
    gc.collect()
    assert sum(type(o).__name__ == "Message" for o in gc.get_objects()) == before


def test_kept_by_an_executor():
    """Another thread touches the message while the crossing goes on, and after it."""
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        futures = []

        def step(m):
            futures.append(pool.submit(lambda: (m.payload, m.key, m)))
            return True

        old = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for _ in range(10):
                futures.clear()
                chunk(step)
                done = [f.result() for f in futures]
                assert [d[0] for d in done] == METRICS
                right([d[2] for d in done])
        finally:
            sys.setswitchinterval(old)


def test_kept_objects():
    kept = []
    op1, f1 = chain(("map", lambda m: m.payload), form="objects")
    op2 = {"calls": [{"Step": "b", "Kind": "filter", "Function": "py:b"}], "form": "raw"}
    run(
        {**f1, "py:b": lambda m: bool(kept.append(m)) or True},
        ops=[op1, op2],
        type="Metric",
        values=METRICS,
        keys=keys(),
    )
    right(kept)


def test_copies_and_pickles():
    kept = []
    chunk(lambda m: bool(kept.append(m)) or True)
    right([pickle.loads(pickle.dumps(m)) for m in kept])
    right([copy.deepcopy(m) for m in kept])
    right(kept)


def test_the_last_reference_goes_in_another_thread():
    box = []

    def step(m):
        box.append(m)
        t = threading.Thread(target=box.clear)
        t.start()
        t.join()
        return True

    for _ in range(3):
        chunk(step)


main(globals())
