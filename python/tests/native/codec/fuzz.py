"""Hostile frames for the codec in C: ``fuzz.py --time SECONDS`` or ``fuzz.py --replay``.

It changes frames of the committed corpus at random and keeps those that reach code which
none has reached before, or get an answer that none got. Whatever the bytes are, the codec
gives a value or a ValueError, and a value that it gave it can write. An input that is
about to be tried stands in a file, so that one which ends the process is there afterwards.

The corpus is one line per frame: the golden layout, the frame in hex, and whether the
codec takes it. ``--replay`` holds the codec against that, and internal/frame holds Go's
reader against it: what C takes Go takes.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import itertools
import json
import mmap
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import sanitized

FRAMES = sanitized.ROOT / "abi" / "testdata" / "frames"
LONGEST = 200  # bytes of a frame that is kept
CORPUS = sanitized.ROOT / "abi" / "testdata" / "hostile.jsonl"


def load() -> Any:
    path = os.environ["LEVADA_CODEC"]
    loader = importlib.machinery.ExtensionFileLoader("codec", path)
    spec = importlib.util.spec_from_file_location("codec", path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def layouts() -> dict[str, bytes]:
    ending = ".layout.bin"
    return {f.name.removesuffix(ending): f.read_bytes() for f in sorted(FRAMES.glob("*" + ending))}


def goldens() -> list[tuple[str, bytes]]:
    found = []
    for name in layouts():
        column = (FRAMES / f"{name}.column.bin").read_bytes()
        (n,) = struct.unpack_from("<I", column)
        ends = struct.unpack_from(f"<{n + 1}I", column, 4)
        values = column[8 + 4 * n :]
        found += [(name, values[a:b]) for a, b in itertools.pairwise(ends)]
    return found


def corpus() -> list[tuple[str, bytes, bool]]:
    lines = map(json.loads, CORPUS.read_text().splitlines())
    return [(x["layout"], bytes.fromhex(x["frame"]), x["ok"]) for x in lines]


def answer(codec: Any, layout: bytes, frame: bytes) -> str:
    """Why it does not take the frame; nothing where it does."""
    try:
        value = codec.build(layout, frame)
    except (ValueError, MemoryError) as e:
        return str(e) or "memory"
    codec.build(layout, codec.encode(layout, value))
    return ""


def changed(rnd: random.Random, frame: bytes, other: bytes) -> bytes:
    b = bytearray(frame)
    for _ in range(rnd.randint(1, 4)):
        at = rnd.randrange(len(b) + 1)
        match rnd.randrange(7):
            case 0:
                b[at : at + 1] = rnd.randbytes(1)
            case 1:
                b[at : at + 4] = struct.pack(
                    "<I", rnd.choice((0, 1, len(b), 2**31, 2**32 - 1, rnd.randrange(64)))
                )
            case 2:
                b[at : at + 1] = bytes([rnd.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 127, 128, 255))])
            case 3:
                del b[at : at + rnd.randint(1, 9)]
            case 4:
                b[at:at] = rnd.randbytes(rnd.randint(1, 9))
            case 5:
                to = rnd.randrange(len(other) + 1)
                b[at:] = other[to:]
            case 6:
                piece = b[at : at + rnd.randint(1, 40)]
                b[at:at] = piece * rnd.randint(1, 3)
    return bytes(b[: 1 << 16])


def fuzz(seconds: float, seed: int, last: mmap.mmap, keep: bool) -> None:
    codec, forms, rnd = load(), layouts(), random.Random(seed)
    answers: set[tuple[str, str]] = set()
    known = [(name, frame) for name, frame, _ in corpus()] if CORPUS.exists() else []
    pool: dict[str, list[bytes]] = {name: [] for name in forms}
    fresh: list[tuple[str, bytes, bool]] = []
    taken = dict.fromkeys(forms, 0)

    def attempt(name: str, frame: bytes) -> bool:
        """Whether it reached something new."""
        record = f"{name}\n{len(frame)}\n".encode() + frame
        last[: len(record)] = record
        why = answer(codec, forms[name], frame)
        # Without what it read: the member that it came to, and the fault there.
        text, _, where = why.partition(" - at `$")
        kind = (name, re.sub(r"\W*\d\w*", "", text), re.sub(r"\W", "", where)[:3])
        if why == "":
            kind = (name, "takes", str(min(taken[name], 6)))
            taken[name] += 1
        if not codec.coverage() and kind in answers:
            return False
        answers.add(kind)
        pool[name].append(frame)
        fresh.append((name, frame, why == ""))
        return True

    for name, frame in goldens() + known:
        attempt(name, frame)
        pool[name].append(frame)
    taken = dict.fromkeys(forms, 0)
    seen, tries, names = len(fresh), 0, [n for n in pool if pool[n]]
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(200):
            name = rnd.choice(names)
            attempt(name, changed(rnd, rnd.choice(pool[name]), rnd.choice(pool[name])))
            tries += 1
    print(f"{tries} frames, {len(fresh) - seen} of them new, seed {seed}")
    if keep:
        lines = {
            (name, frame.hex()): took for name, frame, took in fresh[seen:] if len(frame) <= LONGEST
        }
        with CORPUS.open("a") as f:
            for (name, frame), took in lines.items():
                f.write(json.dumps({"layout": name, "frame": frame, "ok": took}) + "\n")


def replay() -> None:
    codec, forms = load(), layouts()
    for name, frame, ok in corpus():
        if (answer(codec, forms[name], frame) == "") != ok:
            raise SystemExit(f"{name} {frame.hex()}: expected ok={ok}")


def seconds(text: str) -> float:
    """As Go's -fuzztime has it."""
    return float(text[:-1]) * {"s": 1, "m": 60, "h": 3600}[text[-1]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--time", default=30.0, type=seconds, help="how long: 30s or 2m")
    parser.add_argument("--seed", type=int, default=time.time_ns() & 0xFFFF)
    parser.add_argument("--keep", action="store_true", help="add what is new to the corpus")
    parser.add_argument("--replay", action="store_true", help="only try the corpus")
    args = parser.parse_args()
    if "LEVADA_CODEC" in os.environ:
        if args.replay:
            replay()
        else:
            with Path(os.environ["LEVADA_LAST_FRAME"]).open("r+b") as f:
                last = mmap.mmap(f.fileno(), 0)
                fuzz(args.time, args.seed, last, args.keep)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        library, last = Path(folder, "codec.so"), Path(folder, "last")
        sanitized.build(library, coverage=True)
        last.write_bytes(bytes(1 << 17))
        env = sanitized.environment(library) | {"LEVADA_LAST_FRAME": str(last)}
        argv = [sys.executable, "-X", "dev", __file__, *sys.argv[1:], f"--seed={args.seed}"]
        code = subprocess.run(argv, env=env, check=False).returncode
        if code != 0 and not args.replay:
            name, size, frame = last.read_bytes().split(b"\n", 2)
            print(f"layout {name.decode()}, frame {frame[: int(size)].hex()}", file=sys.stderr)
        return 1 if code else 0


if __name__ == "__main__":
    sys.exit(main())
