"""500 runs of a whole pipeline in one process: threads and memory stay where they are."""

import os
import sys
import tempfile
import threading
from pathlib import Path

import levada
from levada import Map, Parser, Serializer, StreamSink, streaming_source

RUNS, RECORDS = 500, 20

folder = Path(tempfile.mkdtemp())
source, sink, config = folder / "in.jsonl", folder / "out.jsonl", folder / "deployment.yaml"
source.write_text("".join(f'{{"id": {i}}}\n' for i in range(RECORDS)))
config.write_text(
    "lanes: 2\nstreams:\n"
    f"  in: {{connector: file, path: {source}}}\n"
    f"  out: {{connector: file, path: {sink}}}\n"
)


def mark(m):
    return {**m.payload, "thread": threading.current_thread().name}


pipeline = (
    streaming_source("read", stream_name="in", pipeline="again")
    .apply(Parser("parse"))
    .apply(Map("mark", function=mark))
    .apply(Serializer("serialize"))
    .sink(StreamSink("write", stream_name="out"))
)


def state():
    rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE")
    return rss, len(os.listdir("/proc/self/task"))


for n in range(RUNS):
    sink.unlink(missing_ok=True)
    code = levada.run(pipeline, config, drain=True)
    lines = sink.read_text().splitlines()
    assert code == 0 and len(lines) == RECORDS, (n, code, lines)
    assert all("levada-lane-" in line for line in lines), lines[0]
    if n == 50:
        rss, threads = state()

end_rss, end_threads = state()
print(f"rss {rss} -> {end_rss}, threads {threads} -> {end_threads}")
assert end_rss < rss + (16 << 20), "memory grows"
assert end_threads <= threads + 6, "threads are not used again"
sys.exit(0)
