"""A Go step takes its own type, and what holds it, and nothing else."""

from typing import TypedDict

import metric_steps
from levada import Filter, Map, Parser, streaming_source


class Word(TypedDict):
    word: str


parsed = streaming_source("in", "in").apply(Parser[Word]("parse"))
parsed.apply(Map("transform", function=metric_steps.Transform()))  # error
parsed.apply(Map("transform", function=metric_steps.Transform))  # error
parsed.apply(Filter("counters", function=metric_steps.IsCounter()))  # error
