"""What the cases of this folder share: the module under test, and chunks through it.

A case is a script with functions named test_*; kit.main runs them. Scripts and not
pytest, since they run under every CPython that is there, in a process each.
"""

from __future__ import annotations

import gc
import importlib.machinery
import importlib.util
import json
import os
import sys
import tempfile
import traceback
import types
from typing import Any


def load() -> Any:
    """The module under test, from the file that LEVADA_NATIVE_TEST names."""
    path = os.environ["LEVADA_NATIVE_TEST"]
    name = "nativetest._native"
    loader = importlib.machinery.ExtensionFileLoader(name, path)
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    package = sys.modules["nativetest"] = types.ModuleType("nativetest")
    package.__path__ = []
    sys.modules[name] = module
    loader.exec_module(module)
    return module


native = load()
Message = native.Message
Function = native.Function

METRIC = {
    "org_id": 1,
    "project_id": 3,
    "name": "sentry.sessions.session.duration",
    "tags": {"environment": "production", "release": "sentry-test@1.0.0", "status": "ok"},
    "timestamp": 1677512412,
    "retention_days": 90,
    "type": "d",
    "value": [4.0, 5.25, 6.0],
}


def run(functions: dict[str, Any], **script: Any) -> dict[str, Any]:
    """Runs a script of testext and returns its answer."""
    with tempfile.TemporaryDirectory() as folder:
        answer = os.path.join(folder, "answer")
        code = native.main([json.dumps(script), answer], "", "", functions)
        assert code == 0, code
        with open(answer, "rb") as f:
            return json.loads(f.read().decode("utf-8", "replace"))


def chain(*steps: tuple[str, Any], form: str = "dynamic") -> tuple[dict[str, Any], dict[str, Any]]:
    """One operator of steps (kind, function), and the functions that it calls."""
    calls = [
        {"Step": f"step{i}", "Kind": kind, "Function": f"py:{i}"}
        for i, (kind, _) in enumerate(steps)
    ]
    return {"calls": calls, "form": form}, {f"py:{i}": fn for i, (_, fn) in enumerate(steps)}


def one(*steps: tuple[str, Any], form: str = "dynamic", **script: Any) -> dict[str, Any]:
    """One chunk through one operator."""
    op, functions = chain(*steps, form=form)
    chunks = run(functions, ops=[op], **script)["chunks"]
    assert len(chunks) == 1, chunks
    return chunks[0]


def raises(kind: type[BaseException], text: str, call: Any, *args: Any) -> BaseException:
    try:
        got = call(*args)
    except kind as e:
        assert text in str(e), f"{text!r} not in {str(e)!r}"
        return e
    raise AssertionError(f"no {kind.__name__}, but {got!r}")


def main(names: dict[str, Any]) -> None:
    bad = ran = 0
    for name, test in list(names.items()):
        if name.startswith("test_"):
            ran += 1
            try:
                test()
                gc.collect()
            except BaseException:
                bad += 1
                print(f"--- {name}")
                traceback.print_exc(file=sys.stdout)
    print(f"{ran} tests, {bad} failed")
    sys.exit(1 if bad or not ran else 0)
