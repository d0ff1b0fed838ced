"""Go functions called from Python."""

import contextlib
import gc
import threading
import time

from kit import METRIC, Function, Message, main, native, one, raises


def fn(name, settings=""):
    return Function(f"go:test.{name}", settings)


def test_names_and_settings():
    raises(ValueError, 'no Go function "go:test.Nothing"', fn, "Nothing")
    raises(ValueError, "test.Limited: settings: ", fn, "Limited", '{"limt": 3}')
    raises(ValueError, "test.Limited: settings: ", fn, "Limited", '{"limit": "x"}')
    raises(TypeError, "a name and a JSON object", Function)
    limited = fn("Limited", '{"limit": 3}')
    assert [limited(Message(i)) for i in (2, 3)] == [True, False]
    assert "go:test.Limited" in repr(limited)


def test_arguments():
    f = fn("Fail")
    raises(TypeError, "expected one message", f)
    raises(TypeError, "expected one message", f, Message(1), Message(2))
    raises(TypeError, "expected a message with a payload, got `int`", f, 1)
    raises(TypeError, "go:test.Fail: expected `int`, got `str` - at `$`", f, Message("1"))
    raises(
        TypeError,
        "go:test.Fail: message 1: expected `int`",
        f.call_batch,
        [Message(1), Message("1")],
    )
    raises(TypeError, "not iterable", f.call_batch, 3)
    assert f.call_batch([]) == []
    assert f.call_batch(Message(i) for i in range(5)) == [0, 1, 2, 3, 4]


def test_errors_of_go():
    f = fn("Fail")
    e = raises(RuntimeError, "test.Fail: negative", f, Message(-1))
    assert type(e).__name__ == "GoError" and getattr(e, "index", None) is None
    e = raises(
        RuntimeError, "test.Fail: negative", f.call_batch, [Message(1), Message(-1), Message(-2)]
    )
    assert e.index == 1
    e = raises(
        RuntimeError,
        "panic in test.Panic: runtime error: invalid memory address",
        fn("Panic"),
        Message(1),
    )
    assert "main.register" in e.__notes__[0], e.__notes__
    assert f(Message(1)) == 1


def test_shapes():
    assert fn("Twice").call_batch([Message(1), Message(2)]) == [[1, 1], [2, 2]]
    assert fn("Count").call_batch([Message(2), Message(0), Message(3)]) == [[0, 1], [], [0, 1, 2]]
    assert fn("Count")(Message(0)) == []
    m = fn("Rekey")(
        Message(
            "abc",
            key=b"old",
            headers=[("h", b"v"), ("h", None)],
            timestamp=1.5,
            topic="t",
            partition=2,
            offset=9,
        )
    )
    assert (m.payload, m.key, m.headers) == (3, b"abc", [("h", b"v"), ("h", None), ("by", b"go")])
    assert (m.timestamp, m.topic, m.partition, m.offset) == (1.5, "t", 2, 9)


def test_metadata_reaches_go():
    f = fn("Where")
    assert f(Message(None)) == "||0001-01-01T00:00:00Z|[0]@0"
    m = Message(None, b"k", [("trace", b"x")], 1700000000.25, "topic", 7, 2**40)
    assert f(m) == "k|x|2023-11-14T22:13:20.25Z|topic[7]@1099511627776"
    assert f.call_batch([Message(None), m, Message(None)])[1:] == [f(m), f(Message(None))]

    class Other:
        payload = None
        key = b"duck"

    assert f(Other()).startswith("duck|")
    raises(
        TypeError, "expected `bytes` or `None`, got `str` - at `$.key`", f, Message(None, key="k")
    )
    raises(TypeError, "at `$.headers[0]`", f, Message(None, headers=["x"]))
    raises(TypeError, "at `$.headers[1]`", f, Message(None, headers=[("a", None), ("b", 1)]))
    raises(TypeError, "at `$.timestamp`", f, Message(None, timestamp="now"))
    raises(TypeError, "at `$.offset`", f, Message(None, offset="1"))
    strange = Message(None, headers=[("a\udcff", b"v")])
    assert f(strange).startswith("|")


def test_message():
    m = Message({"a": 1}, b"k", [("h", b"v")], 1.5, "t", 1, 2)
    assert (
        repr(m)
        == "Message(payload={'a': 1}, key=b'k', headers=[('h', b'v')], timestamp=1.5, topic='t', partition=1, offset=2)"  # noqa: E501
    )
    assert m.with_payload(3).payload == 3 and m.with_payload(3).key == b"k"
    assert m.with_key(None).key is None
    assert m.with_header("x", None).headers == [("h", b"v"), ("x", None)]
    assert m.with_header("h", b"2").without_header("h").headers == []
    assert m.headers == [("h", b"v")]
    raises(TypeError, "needs a payload", Message)
    raises(TypeError, "no argument kex", lambda: Message(1, kex=2))
    raises(TypeError, "got payload twice", lambda: Message(1, payload=2))
    raises(TypeError, "at most 7", Message, *range(8))
    raises(AttributeError, "", setattr, m, "payload", 1)
    kind, args = m.__reduce__()
    again = kind(*args)
    assert (again.payload, list(again.headers), again.offset) == ({"a": 1}, [("h", b"v")], 2)
    loop = {}
    loop["m"] = Message(loop)
    del loop
    gc.collect()


def test_the_gil_is_free_meanwhile():
    f, ticks, done = fn("Sleep"), [], threading.Event()

    def tick():
        while not done.is_set():
            ticks.append(1)
            time.sleep(0.005)

    t = threading.Thread(target=tick)
    t.start()
    f(Message(200))
    seen = len(ticks)
    done.set()
    t.join()
    assert seen > 5, seen


def test_many_threads_share_a_function():
    f, wrong = fn("Metric"), []

    def work(k):
        for i in range(200):
            m = {**METRIC, "org_id": k * 1000 + i}
            if f.call_batch([Message(m), Message(METRIC)]) != [m, METRIC]:
                wrong.append(i)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong


def test_inside_a_crossing():
    """A step calls Go: the lane's thread is in Go, in Python and in Go again."""
    f = fn("Metric")
    got = one(
        ("map", lambda m: f(m)["org_id"] + f(Message(METRIC))["org_id"]),
        type="Metric",
        values=[METRIC, METRIC],
    )
    assert got["payloads"] == [2, 2] and not got["failed"], got


def test_a_finalizer_calls_go_while_a_payload_is_built():
    f, calls = fn("Metric"), []

    class Noise:
        def __init__(self):
            self.loop = self

        def __del__(self):
            calls.append(f(Message(METRIC)) == METRIC)

    def step(m):
        for _ in range(5):
            Noise()
        return m.payload["org_id"]

    old = gc.get_threshold()
    gc.set_threshold(3, 1, 1)
    try:
        got = one(("map", step), type="Metric", values=[METRIC] * 50)
    finally:
        gc.set_threshold(*old)
    assert got["payloads"] == [1] * 50
    gc.collect()
    assert len(calls) == 250 and all(calls)


def test_counters():
    before = native.counters()
    f = fn("Fail")
    f.call_batch([Message(i) for i in range(10)])
    f(Message(1))
    after = native.counters()
    assert after["call_ins"] - before["call_ins"] == 2
    assert after["crossings"] == before["crossings"]


def test_nothing_leaks():
    f = fn("Metric")
    fail = fn("Fail")
    f.call_batch([Message(METRIC)] * 10)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(100):
        f.call_batch([Message(METRIC)] * 10)
        with contextlib.suppress(RuntimeError):
            fail(Message(-1))
        fn("Limited", '{"limit": 3}')
    gc.collect()
    assert len(gc.get_objects()) - before < 50


main(globals())
