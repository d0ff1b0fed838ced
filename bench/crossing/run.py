"""What it costs to go from a Python dict through a Go step and back to a dict.

The opponent is the usual way of calling a native step: per message json.dumps, serde
in Rust, json.loads, as an extension written with pyo3 and serde_json. Process CPU time
per message in interleaved rounds. The ratios are what counts: each is the median of the
ratios within a round, because a machine that others use too is not as fast in one round
as in the next. Each of the two records has a process of its own: what a thousand spans at
once leave of Python's heap would slow down whatever is timed after them.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import statistics
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import bench_steps
from levada import Message


@dataclass
class PlainMessage:
    """The shape of message that a per-message wrapper reads."""

    payload: Any
    headers: list[tuple[str, bytes]] = field(default_factory=list)
    timestamp: float = 1.7e9


METRIC = {
    "org_id": 1,
    "project_id": 3,
    "name": "c:sessions/session@none",
    "tags": {
        "sdk": "raven-node/2.6.3",
        "environment": "production",
        "release": "sentry-test@1.0.0",
        "session.status": "init",
    },
    "timestamp": 1_700_000_000,
    "retention_days": 90,
    "type": "c",
    "value": 1.5,
    "transformed": False,
}

SPAN = {
    "organization_id": 1,
    "project_id": 1,
    "trace_id": "6cf173d587eb48568a9b2e12dcfbea52",
    "span_id": "438f40bd3b4a41ee",
    "parent_span_id": None,
    "name": "GET http://app.test/api/0/organizations/",
    "status": "ok",
    "is_remote": True,
    "start_timestamp": 1_742_921_669.158209,
    "end_timestamp": 1_742_921_669.180536,
    "retention_days": 90,
    "received": 1_742_921_669.25,
    "attributes": {
        **{
            f"attribute.number.{i}": {"type": "string", "value": f"the value of number {i}"}
            for i in range(14)
        },
        "attribute.integer": {"type": "integer", "value": 50},
        "attribute.double": {"type": "double", "value": 2.5},
        "attribute.flag": {"type": "boolean", "value": True},
    },
    "links": [
        {
            "trace_id": "627a2885119dcc8184fae7eef09438cb",
            "span_id": "6c71fc6b09b8b716",
            "sampled": True,
            "attributes": {"link.type": "parent", "dropped": 4},
        }
    ],
    "meta": {"origin": "auto.http", "version": "2.1"},
}


STRING, INT, UINT, FLOAT, BOOL, MAP, STRUCT = 11, 4, 8, 10, 0, 15, 16


def metric_layout() -> bytes:
    """The layout of the metric record as abi/frame.md draws it."""
    fields = {
        "org_id": 1,
        "project_id": 1,
        "name": 2,
        "tags": 3,
        "timestamp": 4,
        "retention_days": 4,
        "type": 2,
        "value": 5,
        "transformed": 6,
    }

    def text(s: str) -> bytes:
        return struct.pack("<I", len(s)) + s.encode()

    root = struct.pack("<BB", STRUCT, 0) + text("Metric") + struct.pack("<I", len(fields))
    for name, node in fields.items():
        root += text(name) + struct.pack("<IB", node, name == "transformed")
    plain = [struct.pack("<BB", kind, 0) for kind in (UINT, STRING, MAP, INT, FLOAT, BOOL)]
    plain[2] += struct.pack("<I", 2)  # a map of strings
    return struct.pack("<I", 1 + len(plain)) + root + b"".join(plain)


def floor_case(rounds: int) -> tuple[str, str]:
    """The build half against code written by hand for this one type."""
    try:
        import floor
    except ImportError:
        return "no C compiler on this machine, so no floor", "floor_ratio=nan"
    layout, keys = metric_layout(), tuple(map(sys.intern, METRIC))
    frame = floor.encode(layout, METRIC)
    took = []
    for _ in range(rounds):
        ours, least, built, by_hand = floor.timed(layout, frame, keys, 100_000)
        if not built == by_hand == METRIC:
            raise SystemExit("bench crossing: floor: another value than the metric")
        took.append((ours, least))
    ours, least = (statistics.median(t[i] for t in took) for i in (0, 1))
    line = f"build and drop one metric dict: {ours:.0f} ns, code written by hand for it {least:.0f} ns"
    return line, f"floor_ratio={ours / least:.2f} build_ns={ours:.0f}"


def timed(call: Callable[[], object], messages: int) -> float:
    gc.collect()
    began = time.process_time_ns()
    call()
    return (time.process_time_ns() - began) / messages


def repeat(function: Callable[[Any], object], arguments: list[Any]) -> Callable[[], None]:
    def call() -> None:
        for argument in arguments:
            function(argument)

    return call


def batched(step: Any, message: Any, size: int, total: int) -> Callable[[], None]:
    batches = [[message] * size for _ in range(total // size)]
    return repeat(step.call_batch, batches)


def measure(record: str, rounds: int, n: int) -> dict[str, list[float]]:
    """Nanoseconds per message of each round, by case, for one of the two records."""
    payload, step = (
        (METRIC, bench_steps.Transform()) if record == "metric" else (SPAN, bench_steps.TouchSpan())
    )
    message = Message(payload)
    cases: dict[str, Callable[[], None]] = {}
    try:
        import peer
    except ImportError:
        pass
    else:
        function = peer.transform if record == "metric" else peer.touch_span
        if json.dumps(function(PlainMessage(payload)), sort_keys=True) != json.dumps(
            step(message), sort_keys=True
        ):
            raise SystemExit(f"bench crossing: {record}: the opponent gives another result")
        cases["peer"] = repeat(function, [PlainMessage(payload)] * (n // 4))
    cases["batch 1"] = repeat(step, [message] * n)
    for size in (10, 100, 1000):
        cases[f"batch {size}"] = batched(step, message, size, n)
    took: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(rounds):
        for name, call in cases.items():
            took[name].append(timed(call, n // 4 if name == "peer" else n))
    return took


def measure_alone(record: str, rounds: int, messages: int) -> dict[str, list[float]]:
    """As measure, in a process of its own."""
    command = [sys.executable, __file__, "--record", record]
    command += ["--rounds", str(rounds), "--messages", str(messages)]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    took: dict[str, list[float]] = json.loads(said)
    return {f"{record} {name}": values for name, values in took.items()}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--record", choices=["metric", "span"], help="print its times as JSON")
    parser.add_argument("--result")
    args = parser.parse_args()
    if args.record:
        print(json.dumps(measure(args.record, args.rounds, args.messages)))
        return 0
    took = measure_alone("metric", args.rounds, args.messages)
    took |= measure_alone("span", args.rounds, args.messages)
    median = {name: statistics.median(values) for name, values in took.items()}
    compared = "metric peer" in took
    if not compared:
        print("bench crossing: no cargo on this machine, so no opponent and no ratios", file=sys.stderr)

    def ratio_of(name: str) -> float:
        against = took[f"{name.split()[0]} peer"]
        return statistics.median(p / t for p, t in zip(against, took[name], strict=True))

    lines = [
        "dict -> Go step -> dict, process CPU time per message, "
        f"medians of {args.rounds} interleaved rounds",
        f"CPython {platform.python_version()}, {os.cpu_count()} CPUs",
        "",
    ]
    for name, values in took.items():
        ratio = ""
        if compared and not name.endswith("peer"):
            ratio = f"   1/{ratio_of(name):.1f} of the opponent"
        lines.append(
            f"{name:<18} {median[name]:8.0f} ns  ({min(values):.0f} to {max(values):.0f}){ratio}"
        )
    line, figures = floor_case(args.rounds)
    lines += ["", line, ""]
    if compared:
        figures = (
            f"metric_ratio={ratio_of('metric batch 100'):.2f} "
            f"span_ratio={ratio_of('span batch 100'):.2f} "
            f"batch1_ratio={ratio_of('metric batch 1'):.2f} {figures}"
        )
    lines.append(figures)
    text = "\n".join(lines) + "\n"
    print(text, end="")
    if args.result:
        with open(args.result, "w", encoding="utf-8") as f:
            f.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
