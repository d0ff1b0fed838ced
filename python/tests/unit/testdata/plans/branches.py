from datetime import timedelta
from enum import Enum

from levada import (
    Batch,
    Filter,
    Map,
    Parser,
    Retry,
    Serializer,
    StreamSink,
    branch,
    streaming_source,
)


class Level(Enum):
    LOW = "low"
    HIGH = 2


def level(msg):
    return Level.LOW


class Above:
    def __init__(self, limit):
        self.limit = limit

    def __call__(self, msg):
        return msg.payload > self.limit


def make(n):
    def add(msg):
        return msg.payload + n

    return add


def out(name):
    return [Serializer(f"s_{name}"), StreamSink(f"o_{name}", name, connector="file")]


pipeline = (
    streaming_source("in", "in", connector="file", on_error="skip", retry=Retry(2))
    .apply(Parser("parse"))
    .apply(Filter("above_1", Above(1)))
    .apply(Filter("above_2", Above(2)))
    .apply(Map("double", lambda m: m.payload * 2))
    .apply(Map("half", lambda m: m.payload / 2, retry=Retry(3, timedelta(milliseconds=1500))))
    .apply(Map("add", make(1), on_error="dead_letter"))
    .route(
        "level",
        level,
        cases={
            Level.LOW: branch("low").broadcast(
                "both",
                [
                    branch("a").apply(out("a")[0]).sink(out("a")[1]),
                    branch("b")
                    .apply(Batch("b", 10, timedelta(seconds=5), batch_bytes=1 << 20))
                    .apply(out("b")[0])
                    .sink(out("b")[1]),
                ],
            ),
            Level.HIGH: branch("high").apply(out("c")[0]).sink(out("c")[1]),
        },
        otherwise=branch("rest").apply(Batch("d", 1)).apply(out("d")[0]).sink(out("d")[1]),
        on_error="fail",
    )
)
