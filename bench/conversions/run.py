"""What a payload costs on its way from Go into Python and back, by the word that it goes by.

A pipeline reads a file, has a step in Go, one in Python that gives back what it got, and one
in Go again, and writes to nowhere. What the same pipeline without the step in Python takes is
taken off. Every run is a process of its own; rounds are interleaved, each in another order,
and medians count, those of the ratios within a round.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench" / "crossing"))
from run import METRIC, SPAN  # noqa: E402

WORDS = ("frame", "json", "msgpack", "protobuf", "raw", "custom")
RECORDS = {"metric": METRIC, "span": SPAN}


def cpu(work: Path, which: str, n: int) -> float:
    """CPU seconds of a run, without its start-up."""
    subprocess.run(
        [
            sys.executable, "-m", "levada", "run", str(ROOT / "bench" / "conversions" / "pipelines.py"),
            "--config", str(work / f"{which.split('.')[0]}.yaml"),
            "--drain", "--summary", str(work / "summary.json"),
        ],
        env={**os.environ, "BENCH_PIPELINE": which}, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    said = json.loads((work / "summary.json").read_text())
    if said["records_in"] != n or said["records_out"] != n:
        raise SystemExit(f"bench conversions: {which}: expected {n} records, got {said}")
    return float(said["cpu_seconds"])


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=200_000, help="metrics; a fifth as many spans")
    parser.add_argument("--result")
    args = parser.parse_args()
    began = time.time()
    counts = {"metric": args.messages, "span": args.messages // 5}
    took: dict[str, list[dict[str, float]]] = {record: [] for record in RECORDS}
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for record, value in RECORDS.items():
            (work / f"{record}.jsonl").write_text((json.dumps(value) + "\n") * counts[record])
            (work / f"{record}.yaml").write_text(
                f"streams:\n  in: {{connector: file, path: {work}/{record}.jsonl}}\n"
                "  out: {connector: devnull}\nlanes: 1\n"
            )
        for i in range(args.rounds):
            for record, n in counts.items():
                one: dict[str, float] = {}
                for word in WORDS if i % 2 == 0 else WORDS[::-1]:
                    # json and msgpack have the pipeline of frame, without a step in Python.
                    base = word if word in ("protobuf", "raw", "custom") else "frame"
                    if f"{base} without" not in one:
                        one[f"{base} without"] = cpu(work, f"{record}.{base}.without", n)
                    spent = cpu(work, f"{record}.{word}", n) - one[f"{base} without"]
                    one[word] = spent / n * 1e6
                took[record].append(one)
    lines = []
    figures = []
    for record, n in counts.items():
        us = {w: statistics.median(r[w] for r in took[record]) for w in WORDS}
        ratios = {w: statistics.median(r[w] / r["frame"] for r in took[record]) for w in WORDS}
        lines.append(f"{record}, {n} messages of {len(json.dumps(RECORDS[record]))} bytes of JSON")
        lines += [f"  {w:<10} {us[w]:7.2f} us  {ratios[w]:5.2f}" for w in WORDS]
        figures += [f"{record}_{w}_ratio={ratios[w]:.2f}" for w in WORDS if w != "frame"]
    head = (
        f"conversions: medians of {args.rounds} interleaved rounds\n"
        f"CPython {platform.python_version()}, {os.cpu_count()} CPUs\n\n"
        "CPU per message into Python and back, and its ratio to frame"
    )
    text = "\n".join([head, *lines, "", " ".join(figures)]) + "\n"
    print(text, end="")
    print(f"took {time.time() - began:.0f} s", file=sys.stderr)
    if args.result:
        Path(args.result).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
