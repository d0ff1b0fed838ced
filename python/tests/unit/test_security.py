"""What the package must not be able to do."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "python" / "src" / "levada"

# Bytes of a stranger must never become objects that run code.
FORBIDDEN = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib"}


def imported(tree: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import():
                names |= {a.name.partition(".")[0] for a in node.names}
            case ast.ImportFrom(module=str(module)):
                names.add(module.partition(".")[0])
            case ast.Call(func=ast.Name("__import__"), args=[ast.Constant(str(name)), *_]):
                names.add(name.partition(".")[0])
            case ast.Call(
                func=ast.Attribute(attr="import_module"), args=[ast.Constant(str(name)), *_]
            ):
                names.add(name.partition(".")[0])
    return names


def test_no_pickle_in_the_package() -> None:
    files = sorted(PACKAGE.rglob("*.py"))
    assert len(files) > 10
    for file in files:
        found = imported(ast.parse(file.read_text())) & FORBIDDEN
        assert not found, f"{file.name} imports {', '.join(found)}"


def test_no_pickle_in_the_extension() -> None:
    """Nor does the C code, nor what the generator writes, ask for one."""
    files = [
        *(ROOT / "internal" / "bridge").rglob("*.[ch]"),
        *(ROOT / "internal" / "gen").glob("*.go"),
    ]
    assert len(files) > 10
    for file in files:
        text = file.read_text()
        for name in FORBIDDEN - {"_pickle"}:
            assert f'"{name}"' not in text, f"{file.name} names {name}"


def test_the_search_finds_what_it_looks_for() -> None:
    for code in (
        "import pickle",
        "import a, pickle as p",
        "from pickle import loads",
        "def f():\n    __import__('pickle')",
        "import importlib\nimportlib.import_module('marshal')",
    ):
        assert imported(ast.parse(code)) & FORBIDDEN, code
