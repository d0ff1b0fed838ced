"""Golden, cut off and broken frames against the codec alone."""

from __future__ import annotations

import base64
import contextlib
import datetime
import importlib.machinery
import importlib.util
import itertools
import json
import os
import random
import struct
import sys
from pathlib import Path

FOLDER = Path(sys.argv[1])
ROUNDS = int(sys.argv[2])


def load(path):
    loader = importlib.machinery.ExtensionFileLoader("codec", path)
    spec = importlib.util.spec_from_file_location("codec", path, loader=loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


codec = load(os.environ["LEVADA_CODEC"])


def elements(column):
    """The frames of a column; None where the table is wrong (frame.md, Columns)."""
    if len(column) < 4:
        return None
    (n,) = struct.unpack_from("<I", column)
    if (len(column) - 4) // 4 < n + 1:
        return None
    ends = struct.unpack_from(f"<{n + 1}I", column, 4)
    values = column[4 + 4 * (n + 1) :]
    if ends[0] != 0 or list(ends) != sorted(ends) or ends[-1] != len(values):
        return None
    return [values[a:b] for a, b in itertools.pairwise(ends)]


def plain(v):
    """A value as its JSON has it."""
    match v:
        case dict():
            return {k: plain(x) for k, x in v.items()}
        case list() | tuple():
            return [plain(x) for x in v]
        case datetime.timedelta():
            return v / datetime.timedelta(milliseconds=1)
        case bytes():
            return base64.b64encode(v).decode()
        case datetime.datetime():
            text = v.replace(tzinfo=None).isoformat()
            return (text.rstrip("0") if "." in text else text) + "Z"
    return v


def close(a, b):
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and a.keys() == b.keys()
            and all(close(v, b[k]) for k, v in a.items())
        )
    if isinstance(a, list):
        return isinstance(b, list) and len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, float) and isinstance(b, float | int):
        return a == b or struct.pack("<f", a) == struct.pack(
            "<f", b
        )  # a float32 has fewer digits in JSON
    return a == b


def goldens():
    for file in sorted(FOLDER.glob("*.layout.bin")):
        name = file.name.removesuffix(".layout.bin")
        layout = file.read_bytes()
        column = (FOLDER / f"{name}.column.bin").read_bytes()
        texts = json.loads((FOLDER / f"{name}.json").read_text())["json"]
        yield name, layout, elements(column), texts


def survives(layout, frame):
    """Whatever the bytes are: a value or a ValueError, never more."""
    try:
        value = codec.build(layout, frame)
    except (ValueError, MemoryError):
        return None
    # A layout may be broken, or a string be none.
    with contextlib.suppress(ValueError, OverflowError, TypeError):
        codec.encode(layout, value)
    return value


def test_goldens():
    seen = 0
    for name, layout, frames, texts in goldens():
        assert len(frames) == len(texts), name
        for frame, text in zip(frames, texts, strict=True):
            if '"0000-' in text:  # a year that Go has and datetime has not
                assert survives(layout, frame) is None
                continue
            value = codec.build(layout, frame)
            # Members that Go leaves out of JSON are on the wire all the same.
            want, got = json.loads(text), plain(value)
            if isinstance(want, dict) and isinstance(got, dict):
                got = {
                    k: v
                    for k, v in got.items()
                    if k in want or v not in ("", 0, False, None, [], {}, 0.0)
                }
            # In "ticks", text has units that the layout does not tell.
            assert close(got, want) or name == "ticks", (name, text, got)
            assert codec.encode(layout, value) == frame, (name, text)
            seen += 1
    assert seen > 40, seen


def test_cut_off_frames():
    for name, layout, frames, _ in goldens():
        for frame in frames:
            for n in range(len(frame)):
                try:
                    codec.build(layout, frame[:n])
                except ValueError as e:
                    assert "BUG: frame" in str(e), (name, n, e)
                else:
                    raise AssertionError((name, n))
            try:
                codec.build(layout, frame + b"\0")
            except ValueError:
                continue
            raise AssertionError(name)


def test_broken_frames():
    layouts = {name: layout for name, layout, _, _ in goldens()}
    for bad in json.loads((FOLDER / "bad.json").read_text()):
        frames = elements(bytes.fromhex(bad["column"]))
        if frames is None:
            continue
        for frame in frames:
            try:
                codec.build(layouts[bad["layout"]], frame)
            except ValueError:
                break
        else:
            raise AssertionError(bad)


# Fault: hostile frame -> goes on: the reader in C raises, under ASan and UBSan, too
def test_noise():
    rnd = random.Random(1)
    for _, layout, frames, _ in goldens():
        for _ in range(ROUNDS if frames else 0):
            frame = bytearray(rnd.choice(frames))
            for _ in range(rnd.randint(1, 3)):
                if frame:
                    frame[rnd.randrange(len(frame))] = rnd.choice(
                        (0, 1, 2, 3, 8, 9, 127, 128, 255, rnd.randrange(256))
                    )
            survives(layout, bytes(frame))
            broken = bytearray(layout)
            broken[rnd.randrange(len(broken))] = rnd.choice(
                (0, 1, 2, 14, 15, 16, 17, 18, 19, 20, 21, 255, rnd.randrange(256))
            )
            survives(bytes(broken), bytes(frame))
            survives(layout[: rnd.randrange(len(layout))], bytes(frame))


# Fault: hostile frame -> goes on: a count of four billion is refused before memory is asked for
def test_counts_do_not_allocate():
    """A count of four billion is refused before any memory is asked for."""
    lists = struct.pack("<IBBI", 2, 14, 0, 1) + bytes([4, 0])
    for layout in (lists, struct.pack("<IBB", 1, 17, 0)):
        for frame in (
            b"\xff\xff\xff\xff",
            b"\x08\xff\xff\xff\xff",
            b"\x09\xff\xff\xff\xff",
            b"\x06\xff\xff\xff\xff",
        ):
            assert survives(layout, frame) is None
    # A list of structs without members takes no bytes at all.
    nothing = struct.pack("<IBBI", 2, 14, 0, 1) + struct.pack("<BBII", 16, 0, 0, 0)
    assert survives(nothing, b"\xff\xff\xff\xff") is None


def golden(name):
    return (FOLDER / f"{name}.layout.bin").read_bytes()


def raises(kind, text, layout, value):
    try:
        codec.encode(layout, value)
    except kind as e:
        assert str(e) == text, e
    else:
        raise AssertionError(value)


def test_durations():
    layout, delta = golden("duration"), datetime.timedelta
    for us in (0, 1, -1, 86_400_000_000, -86_400_000_001, 2**63 - 1, -(2**63)):
        frame = struct.pack("<q", us)
        value = codec.build(layout, frame)
        assert type(value) is delta and value == delta(microseconds=us), us
        assert codec.encode(layout, value) == frame
    for value in (delta.max, delta.min):
        text = "expected `timedelta` within 64 bits of microseconds, got a longer one - at `$`"
        raises(OverflowError, text, layout, value)
    raises(TypeError, "expected `timedelta`, got `int` - at `$`", layout, 1)

    class Own(delta):
        def __floordiv__(self, other):
            raise RuntimeError("own")

    try:
        codec.encode(layout, Own(1))
    except RuntimeError as e:
        assert str(e) == "own"
    else:
        raise AssertionError


def test_tuples():
    layout = golden("tuple")  # of three int64
    frame = struct.pack("<3q", 1, 2, 3)
    assert codec.build(layout, frame) == (1, 2, 3)
    assert codec.encode(layout, (1, 2, 3)) == codec.encode(layout, [1, 2, 3]) == frame
    raises(ValueError, "expected 3 elements, got 2 - at `$`", layout, (1, 2))
    raises(ValueError, "expected 3 elements, got 4 - at `$`", layout, [1, 2, 3, 4])
    raises(TypeError, "expected `int`, got `str` - at `$[1]`", layout, (1, "2", 3))
    raises(TypeError, "expected `tuple`, got `dict` - at `$`", layout, {})

    class Zone(datetime.tzinfo):
        """Empties the list that its time is in."""

        def utcoffset(self, when):
            times.clear()
            return datetime.timedelta(0)

    times = [datetime.datetime(2024, 1, 1, tzinfo=Zone()) for _ in range(2)]
    pair = struct.pack("<IBBIII", 2, 19, 0, 2, 1, 1) + struct.pack("<BB", 13, 0)
    raises(ValueError, "expected 2 elements, got 0 - at `$`", pair, times)
    # One that holds itself has no value, and one without positions is no layout.
    assert survives(struct.pack("<IBBII", 1, 19, 0, 1, 0), b"") is None
    assert survives(struct.pack("<IBBI", 1, 19, 0, 0), b"") is None


def test_constants():
    layout = struct.pack("<IBBII", 2, 16, 0, 0, 1) + struct.pack("<I4sIB", 4, b"kind", 1, 0)
    circle = layout + struct.pack("<BBBI6s", 21, 0, 11, 6, b"circle")
    frame = struct.pack("<I6s", 6, b"circle")
    assert codec.build(circle, frame) == {"kind": "circle"}
    assert codec.encode(circle, {"kind": "circle"}) == frame
    for hostile in (b"", frame[:-1], struct.pack("<I6s", 6, b"cirkle"), struct.pack("<I", 0)):
        assert survives(circle, hostile) is None
    text = "expected `'circle'`, got `'square'` - at `$.kind`"
    raises(ValueError, text, circle, {"kind": "square"})
    raises(TypeError, "expected `str`, got `int` - at `$.kind`", circle, {"kind": 1})
    raises(ValueError, "missing member `kind` - at `$`", circle, {})

    class Shy(str):
        def __repr__(self):
            raise RuntimeError("own")

    text = "expected `'circle'`, got `another value` - at `$.kind`"
    raises(ValueError, text, circle, {"kind": Shy("square")})
    minus = layout + struct.pack("<BBBq", 21, 1, 3, -5)  # int32, nullable
    assert codec.build(minus, struct.pack("<Bq", 1, -5)) == {"kind": -5}
    assert codec.build(minus, b"\0") == {"kind": None}
    assert codec.encode(minus, {"kind": None}) == b"\0"
    raises(ValueError, "expected `-5`, got `5` - at `$.kind`", minus, {"kind": 5})
    yes = layout + struct.pack("<BBBB", 21, 0, 0, 1)
    assert codec.build(yes, b"\1") == {"kind": True}
    raises(ValueError, "expected `True`, got `False` - at `$.kind`", yes, {"kind": False})
    # Other kinds have no constants, and a bool is 0 or 1.
    for broken in ((21, 0, 9, 0), (21, 0, 13, 0), (21, 0, 21, 0), (21, 0, 0, 2)):
        tail = struct.pack("<BBBB", *broken) + bytes(8)
        assert survives(layout + tail, b"\1") is None


def text_of(s):
    return struct.pack("<I", len(s)) + s


def structure(name, *fields):
    """The node of a struct; a field is its key, node and flags."""
    head = struct.pack("<BB", 16, 0) + text_of(name) + struct.pack("<I", len(fields))
    return head + b"".join(text_of(k) + struct.pack("<IB", n, f) for k, n, f in fields)


def union(*nodes, flags=0, variants=None):
    """A layout whose root is a union; of all the nodes, where variants does not count them."""
    count = len(nodes) if variants is None else variants
    head = struct.pack("<BBI", 20, flags, count)
    refs = struct.pack(f"<{count}I", *range(1, count + 1))
    return struct.pack("<I", len(nodes) + 1) + head + refs + b"".join(nodes)


BOOL, FLOAT, STR, TIME, LIST = b"\0\0", b"\x0a\0", b"\x0b\0", b"\x0d\0", b"\x0e\0" + b"\2\0\0\0"


def test_unions_by_kind():
    layout = union(BOOL, FLOAT, STR, TIME, LIST)
    moment = datetime.datetime(1970, 1, 1, 0, 0, 1, tzinfo=datetime.UTC)
    for value, frame in (
        (True, b"\0\1"),
        (1.5, b"\1" + struct.pack("<d", 1.5)),
        ("x", b"\2" + text_of(b"x")),
        (moment, b"\3" + struct.pack("<q", 1_000_000)),
        ([2.5], b"\4" + struct.pack("<Id", 1, 2.5)),
    ):
        assert codec.encode(layout, value) == frame, value
        assert codec.build(layout, frame) == value
        for n in range(len(frame)):
            assert survives(layout, frame[:n]) is None
    assert codec.encode(layout, 2) == b"\1" + struct.pack("<d", 2)
    names = "`bool`, `float`, `str`, `datetime` or `list`"
    for value in (None, {}, b"", object()):
        got = f"got `{'None' if value is None else type(value).__name__}`"
        raises(TypeError, f"expected {names}, {got} - at `$`", layout, value)
    raises(TypeError, "expected `float`, got `str` - at `$[0]`", layout, ["x"])
    for tag in (5, 6, 255):  # no variant has that number
        assert survives(layout, bytes([tag, 1])) is None
    nullable = union(BOOL, STR, flags=1)
    assert codec.build(nullable, b"\0") is None and codec.encode(nullable, None) == b"\0"
    assert codec.encode(nullable, "x") == b"\1\1" + text_of(b"x")


def test_unions_of_structs():
    circle = structure(b"go:a/b.Circle", (b"kind", 4, 0), (b"r", 6, 0))
    square = structure(b"go:a/b.Square", (b"kind", 5, 0), (b"r", 6, 0))
    point = structure(b"go:a/b.Point[go:c.D]", (b"x", 6, 0), (b"y", 6, 1))
    kinds = [struct.pack("<BBB", 21, 0, 11) + text_of(t) for t in (b"circle", b"square")]
    layout = union(circle, square, point, *kinds, FLOAT, variants=3)
    one = struct.pack("<d", 1)
    for value, frame in (
        ({"kind": "circle", "r": 1.0}, b"\0" + text_of(b"circle") + one),
        ({"r": 1.0, "kind": "square"}, b"\1" + text_of(b"square") + one),
        ({"x": 1.0}, b"\2" + one + b"\2"),
        ({"x": 1.0, "y": 1.0}, b"\2" + one + b"\1" + one),
    ):
        assert codec.encode(layout, value) == frame, value
        assert codec.build(layout, frame) == value
        for n in range(len(frame)):
            assert survives(layout, frame[:n]) is None
    # A right constant tells, whatever is missing; a wrong one leaves what has no constant.
    raises(ValueError, "missing member `r` - at `$`", layout, {"kind": "circle", "x": 1.0})
    assert codec.encode(layout, {"kind": "star", "x": 1.0})[:1] == b"\2"
    names = "expected `Circle`, `Square` or `Point[go:c.D]`"
    none = f"{names}, got a dict with the constants and required members of none of them - at `$`"
    for value in ({}, {"kind": "star"}, {"kind": 1}, {"kind": None, "r": 1.0}):
        raises(ValueError, none, layout, value)
    raises(TypeError, f"{names}, got `int` - at `$`", layout, 1)
    wrong = {"kind": "circle", "r": "x"}
    raises(TypeError, "expected `float`, got `str` - at `$.r`", layout, wrong)
    like = union(point, structure(b"go:a/b.Pixel", (b"x", 3, 0)), FLOAT, variants=2)
    names = "`Point[go:c.D]` or `Pixel`"
    like = like.replace(struct.pack("<I", 6), struct.pack("<I", 3))
    text = f"expected {names}, got a dict that may be `Point[go:c.D]` and `Pixel` - at `$`"
    raises(ValueError, text, like, {"x": 1.0})
    # The first of several, where it keeps what it does not name.
    name = text_of(b"go:a/b.Point[go:c.D]")
    first = like.replace(struct.pack("<BB", 16, 0) + name, struct.pack("<BB", 16, 2) + name)
    assert first != like
    second = like.replace(
        struct.pack("<BB", 16, 0) + text_of(b"go:a/b.Pixel"),
        struct.pack("<BB", 16, 2) + text_of(b"go:a/b.Pixel"),
    )
    assert second != like
    assert codec.encode(first, {"x": 1.0})[:1] == b"\0"
    raises(ValueError, text, second, {"x": 1.0})

    class Key(str):
        """Is asked whether it is a member, and fails."""

        __hash__ = str.__hash__

        def __eq__(self, other):
            raise RuntimeError("own")

    try:
        codec.encode(layout, {Key("kind"): "circle"})
    except RuntimeError as e:
        assert str(e) == "own"
    else:
        raise AssertionError


def test_broken_unions():
    any_, nullable, inner = b"\x11\0", b"\0\1", struct.pack("<BBIII", 20, 0, 2, 0, 1)
    assert survives(union(BOOL, STR), b"\0\1") is True
    for broken in (
        union(BOOL),
        union(*[BOOL] * 256),
        union(BOOL, BOOL),
        union(FLOAT, b"\4\0"),
        union(structure(b"", (b"k", 0, 1)), b"\x0f\0" + b"\2\0\0\0", STR),
        union(BOOL, any_),
        union(BOOL, nullable),
        union(BOOL, inner),
        union(BOOL, struct.pack("<BBBB", 21, 0, 0, 1)),
        union(BOOL, STR)[:-1],
        struct.pack("<IBBIII", 2, 20, 0, 2, 1, 2) + BOOL,
    ):
        assert survives(broken, b"\0\1") is None
    # Long names end the list of them.
    long = structure(b"go:p." + b"N" * 60, (b"k", 3, 0))
    many = union(long, long, BOOL, variants=2)
    try:
        codec.encode(many, {})
    except ValueError as e:
        assert "..., got a dict with" in str(e), e
    else:
        raise AssertionError
    # A list that holds a union which holds the list again.
    deep = struct.pack("<IBBIIIBBIBB", 3, 20, 0, 2, 1, 2, 14, 0, 0, 0, 0)
    value = []
    for _ in range(20_000):
        value = [value]
    raises_somewhere(deep, value)
    while value:
        value = value.pop()
    assert survives(deep, b"\0\1\0\0\0" * 20_000 + b"\1\1") is None


def raises_somewhere(layout, value):
    try:
        codec.encode(layout, value)
    except ValueError as e:
        assert "nested deeper than 10000" in str(e), e
    else:
        raise AssertionError("no limit")


def test_recursive_layouts():
    direct = (
        struct.pack("<I", 1)
        + struct.pack("<BBII", 16, 0, 0, 1)
        + struct.pack("<I1sIB", 1, b"a", 0, 0)
    )
    assert survives(direct, b"") is None
    deep = b"\x08\x01\0\0\0" * 10_001 + b"\0"
    try:
        codec.build(struct.pack("<IBB", 1, 17, 0), deep)
    except ValueError as e:
        assert "nested deeper" in str(e)
    else:
        raise AssertionError("no limit")


def test_times_without_the_capsule():
    layout = struct.pack("<IBB", 1, 13, 0)
    all_of_them = [
        0,
        1,
        -1,
        86_399_999_999,
        -62135596800000000,
        253402300799999999,
        951782400000000,
        4107542399999999,
    ]
    fast = [codec.build(layout, struct.pack("<q", us)) for us in all_of_them]
    codec.plain_clock()
    assert [codec.build(layout, struct.pack("<q", us)) for us in all_of_them] == fast
    assert [codec.encode(layout, v) for v in fast] == [struct.pack("<q", us) for us in all_of_them]
    for us in (-62135596800000001, 253402300800000000, 2**63 - 1, -(2**63)):
        assert survives(layout, struct.pack("<q", us)) is None


for test in [v for k, v in list(globals().items()) if k.startswith("test_")]:
    test()
    print(test.__name__)
