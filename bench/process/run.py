"""What whole processes cost: import, memory, lanes, and a Python step that does nothing.

Every contestant is a process of its own; rounds are interleaved, and medians count.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
LEVADA = ROOT / "build" / "levada"
Median = dict[str, float]


def medians(rounds: list[Mapping[str, float]]) -> Median:
    return {k: statistics.median(r[k] for r in rounds) for k in rounds[0]}


def run(work: Path, which: str, deployment: str, *flags: str) -> dict[str, Any]:
    """Runs a pipeline to the end of its input: its summary, with the CPU time of the process."""
    (work / "deployment.yaml").write_text(deployment)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [
            sys.executable, "-m", "levada", "run", str(ROOT / "bench" / "process" / "pipelines.py"),
            "--config", str(work / "deployment.yaml"),
            "--drain", "--summary", str(work / "summary.json"), *flags,
        ],
        env={**os.environ, "BENCH_PIPELINE": which}, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said: dict[str, Any] = json.loads((work / "summary.json").read_text())
    said["cpu"] = sum(getattr(after, k) - getattr(before, k) for k in ("ru_utime", "ru_stime"))
    return said


# --- import ---------------------------------------------------------------------------

IMPORTS = {
    "bare": "",
    "package": "import bench_steps",
    # A call loads the extension: what it does is far below a millisecond.
    "loaded": "import bench_steps, levada; bench_steps.Burn()(levada.Message(b'x'))",
    "dsl": "import levada",
}
PROBE = """
import os, time
began = time.perf_counter()
{}
took = time.perf_counter() - began
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(took * 1000, int(peak.split()[1]) / 1024)
"""


def bench_import(work: Path, rounds: int) -> tuple[list[str], str]:
    took: dict[str, list[tuple[float, float]]] = {name: [] for name in IMPORTS}
    for _ in range(4 * rounds):
        for name, code in IMPORTS.items():
            out = subprocess.run(
                [sys.executable, "-c", PROBE.format(code)], capture_output=True, text=True, check=True
            ).stdout.split()
            took[name].append((float(out[0]), float(out[1])))
    ms, mb = ({n: statistics.median(v[i] for v in t) for n, t in took.items()} for i in (0, 1))
    lines = ["time inside the process, and peak memory above a bare interpreter"]
    lines += [f"{n:<10} {ms[n]:6.1f} ms  {mb[n] - mb['bare']:6.1f} MB" for n in IMPORTS if n != "bare"]
    load = ms["loaded"] - ms["package"]
    lines.append(f"extension alone: {load:.1f} ms, {mb['loaded'] - mb['package']:.1f} MB")
    return lines, (
        f"extension_ms={load:.1f} extension_mb={mb['loaded'] - mb['package']:.1f} "
        f"import_ms={ms['package']:.1f}"
    )


# --- memory ---------------------------------------------------------------------------


MEMORY = ("all Python", "one step in Go")


def bench_memory(work: Path, rounds: int) -> tuple[list[str], str]:
    peaks: list[tuple[float, float]] = []
    for _ in range(max(1, rounds // 2)):
        out = subprocess.run(["make", "-s", "demo"], cwd=ROOT, capture_output=True, text=True, check=True)
        rows = [re.split(r"\s{2,}", row.strip()) for row in out.stdout.splitlines()]
        [at] = [row.index("MiB") for row in rows if "MiB" in row]
        said = {row[0]: float(row[at]) for row in rows if row[0] in MEMORY}
        peaks.append((said[MEMORY[0]], said[MEMORY[1]]))
    python, hybrid = (statistics.median(p[i] for p in peaks) for i in (0, 1))
    lines = [
        "peak memory (MiB) of `make demo`: 200,000 records of 0.7 kB, one lane, embedded broker in a process of its own",
        f"all Python {python:.0f}, one step in Go {hybrid:.0f}",
    ]
    return lines, f"hybrid_mib={hybrid:.0f} python_mib={python:.0f}"


# --- lanes ----------------------------------------------------------------------------


@contextmanager
def broker() -> Iterator[str]:
    p = subprocess.Popen(
        [str(LEVADA), "broker", "--topic", "in:2", "--topic", "out:2", "--json"], stdout=subprocess.PIPE, text=True
    )
    assert p.stdout is not None
    try:
        yield json.loads(p.stdout.readline())["address"]
    finally:
        p.terminate()
        p.wait()


def bench_lanes(work: Path, rounds: int) -> tuple[list[str], str]:
    n = 40_000
    lines_file = work / "lines.txt"
    lines_file.write_text("".join(f"{i}\t{i:0250d}\n" for i in range(n)))
    took: list[dict[str, float]] = []
    with broker() as addr:
        subprocess.run([str(LEVADA), "produce", "in", str(lines_file), "--brokers", addr, "--key", "\t"], check=True)
        for i in range(rounds):
            one: dict[str, float] = {}
            for lanes in (1, 2):
                deployment = (
                    f"kafka: {{brokers: ['{addr}'], group: g{i}-{lanes}, start: earliest}}\n"
                    f"streams: {{in: {{topic: in}}, out: {{topic: out}}}}\nlanes: {lanes}\n"
                )
                said = run(work, "burn", deployment)
                if said["records_in"] != n:
                    raise SystemExit(f"bench lanes: {said['records_in']} of {n} records")
                one[f"wall{lanes}"], one[f"cpu{lanes}"] = said["wall_seconds"], said["cpu"]
            took.append(one)
    m = medians(took)
    lines = [
        f"{n} records on two partitions, a Go step that burns 20 us and more, embedded broker in a process of its own",
        *(f"{k} lane(s): {m[f'wall{k}']:.2f} s from first to last record, {m[f'cpu{k}']:.2f} s of CPU with start-up" for k in (1, 2)),
        "With two cores the broker takes its share from the second lane.",
    ]
    return lines, f"lanes_ratio={m['wall1'] / m['wall2']:.2f}"


# --- steps ----------------------------------------------------------------------------

METRIC = (
    '{"org_id":1,"project_id":3,"name":"c:sessions/session@none","tags":{"sdk":"raven-node/2.6.3",'
    '"environment":"production","release":"sentry-test@1.0.0","session.status":"init"},'
    '"timestamp":1700000000,"retention_days":90,"type":"c","value":1.5}\n'
)


def bench_steps(work: Path, rounds: int) -> tuple[list[str], str]:
    n = 1_000_000
    (work / "in.jsonl").write_text(METRIC * n)
    deployment = (
        f"streams:\n  in: {{connector: file, path: {work}/in.jsonl}}\n  out: {{connector: devnull}}\nlanes: 1\n"
    )
    cpu: list[dict[str, float]] = []
    crossings: dict[str, int] = {}
    for _ in range(rounds):
        one: dict[str, float] = {}
        for which in ("empty", "untouched", "one", "two"):
            said = run(work, which, deployment)
            one[which] = said["cpu_seconds"]
            crossings[which] = said["counters"]["crossings"]
        cpu.append(one)
    m = medians(cpu)
    each = (m["untouched"] - m["empty"]) / n * 1e9
    lines = [
        f"{n} lines from a file to nowhere; CPU of the run without start-up, that of the pipeline without the step taken off",
        f"Python filter that touches nothing: {each:.0f} ns per message in {crossings['untouched']} crossings",
        f"Python step and one Go step: {crossings['one']} crossings; and two Go steps: {crossings['two']}",
    ]
    return lines, (
        f"untouched_ns={each:.0f} crossings_one={crossings['one']} crossings_two={crossings['two']}"
    )


BENCHES = {"import": bench_import, "memory": bench_memory, "lanes": bench_lanes, "steps": bench_steps}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("bench", choices=BENCHES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--result")
    args = parser.parse_args()
    began = time.time()
    with tempfile.TemporaryDirectory() as work:
        lines, figures = BENCHES[args.bench](Path(work), args.rounds)
    head = f"{args.bench}: medians of {args.rounds} interleaved rounds\nCPython {platform.python_version()}, {os.cpu_count()} CPUs\n"
    text = "\n".join([head, *lines, "", figures]) + "\n"
    print(text, end="")
    print(f"took {time.time() - began:.0f} s", file=sys.stderr)
    if args.result:
        Path(args.result).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
