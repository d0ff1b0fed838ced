"""The plain consume, transform, produce loop that one would write by hand in Python.

Reads a topic from its start to n records, writes each result, and ends when all are
acknowledged. The opponent of a pipeline whose steps are in Python or in Go.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

from confluent_kafka import Consumer, Producer


def transform_json(value: bytes) -> bytes:
    metric = json.loads(value)
    metric["transformed"] = True
    return json.dumps(metric, separators=(",", ":")).encode()


def transform_orjson(value: bytes) -> bytes:
    metric = orjson.loads(value)
    metric["transformed"] = True
    return orjson.dumps(metric)


def transform_bytes(value: bytes) -> bytes:
    return value + b" "


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--mode", choices=["json", "orjson", "bytes"], required=True)
    parser.add_argument("--brokers", required=True)
    parser.add_argument("--in", dest="source", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("-n", type=int, required=True)
    args = parser.parse_args()
    modes: dict[str, Callable[[bytes], bytes]] = {
        "json": transform_json,
        "orjson": transform_orjson,
        "bytes": transform_bytes,
    }
    if args.mode == "orjson":
        global orjson
        import orjson
    transform = modes[args.mode]
    consumer = Consumer(
        {
            "bootstrap.servers": args.brokers,
            "group.id": f"loop-{args.out}",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": args.brokers,
            "enable.idempotence": True,
            "compression.type": "snappy",
            "linger.ms": 10,
            "queue.buffering.max.messages": 200_000,
        }
    )
    failed: list[Any] = []

    def delivered(error: Any, _: Any) -> None:
        if error is not None:
            failed.append(error)

    consumer.subscribe([args.source])
    seen = 0
    while seen < args.n:
        for message in consumer.consume(1000, timeout=10.0):
            if message.error():
                print(message.error(), file=sys.stderr)
                return 1
            value = transform(message.value())
            producer.produce(args.out, value, message.key(), on_delivery=delivered)
            seen += 1
        producer.poll(0)
    left = producer.flush(60.0)
    consumer.commit(asynchronous=False)
    consumer.close()
    if left or failed:
        print(f"{left} records left, {len(failed)} failed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
