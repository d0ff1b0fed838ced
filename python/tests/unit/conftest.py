"""Pipelines of these tests are loaded from files, as users' are: every test starts with
the modules and the path that it found."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def clean_imports() -> Iterator[None]:
    path, modules = sys.path[:], dict(sys.modules)
    yield
    sys.path[:] = path
    for name in [n for n in sys.modules if n not in modules]:
        # What the tests' own files defined goes; what the standard library loaded on
        # the way stays.
        if "/testdata/" in _file(name) or "/pytest-" in _file(name):
            del sys.modules[name]


def _file(module: str) -> str:
    return getattr(sys.modules[module], "__file__", None) or ""
