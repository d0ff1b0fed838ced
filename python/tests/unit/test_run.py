"""Loading pipelines and compiled modules. The compiled module here is a Python file
that notes what it is called with; the real one is tested in tests/native."""

from __future__ import annotations

import faulthandler
import inspect
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import levada
from levada import ExtensionError, Map, Message, StreamSink, _extension, streaming_source
from levada._crossing import CARRIER
from levada._run import main

SRC = Path(__file__).parent.parent.parent / "src"

NATIVE = """
    import json

    layout_fingerprint = "{fingerprint}"
    calls = []


    def manifest():
        return json.dumps({{"levada": "{version}", "plan": {plan}, "functions": []}})


    def main(argv, plan, manifest, functions):
        calls.append((argv, plan, manifest, functions))
        return 65


    def yaml_functions(path):
        with open(path) as f:
            text = f.read()
        if "bad" in text:
            raise ValueError(path + ":1:1: bad")
        return [w for w in text.split() if "." in w or ":" in w[:-1]]


    class Function:
        def __init__(self, name, settings):
            self.name, self.settings = name, settings

        def call(self, message):
            return [self.name, self.settings, message.payload]

        def call_batch(self, messages):
            messages = list(messages)
            return [self.call(m) for m in messages]
"""

STEPS = """
    from levada import GoFunction


    class Transform(GoFunction):
        __levada_function__ = "go:example.com/{name}.Transform"
        __levada_extension__ = "{name}"


    class Threshold(GoFunction):
        __levada_function__ = "go:example.com/{name}.Threshold"
        __levada_settings__ = {{
            "limit": {{"kind": "float64"}},
            "width": {{"kind": "uint8"}},
            "shift": {{"kind": "int16"}},
            "names": {{"kind": "list", "elem": {{"kind": "string"}}}},
            "by": {{"kind": "map", "elem": {{"kind": "int64", "nullable": True}}}},
            "on": {{"kind": "bool"}},
            "since": {{"kind": "time", "nullable": True}},
            "any": {{"kind": "any"}},
        }}
"""

PIPELINE = """
    import {name}
    from levada import Map, StreamSink, streaming_source

    pipeline = (
        streaming_source("in", "in")
        .apply(Map("transform", {name}.Transform()))
        .sink(StreamSink("out", "out"))
    )
"""

Package = Callable[..., Path]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def make(
        name: str,
        fingerprint: str = "f1",
        stub: str = "f1",
        plan: int = 1,
        version: str = levada.__version__,
        built: bool = True,
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        write(folder / "__init__.py", f"from {name} import types\n" + STEPS.format(name=name))
        write(folder / "types.py", f'__levada_fingerprint__ = "{stub}"\n')
        if built:
            text = NATIVE.format(fingerprint=fingerprint, plan=plan, version=version)
            write(folder / "_native.py", text)
        return folder

    return make


def write(file: Path, text: str) -> str:
    first, _, rest = text.partition("\n")
    file.write_text(first + "\n" + textwrap.dedent(rest) if first else textwrap.dedent(text))
    return str(file)


def calls(name: str) -> list[Any]:
    found: list[Any] = sys.modules[f"{name}._native"].calls
    return found


class TestMain:
    def test_the_engine_gets_plan_manifest_functions_and_flags(
        self, package: Package, tmp_path: Path
    ) -> None:
        package("steps_a")
        file = write(
            tmp_path / "app.py",
            """
            import steps_a
            from levada import Map, StreamSink, streaming_source

            def local(msg): return msg.payload

            pipeline = (
                streaming_source("in", "in")
                .apply(Map("local", local))
                .apply(Map("transform", steps_a.Transform()))
                .sink(StreamSink("out", "out"))
            )
            """,
        )
        assert main(["run", file, "--config", "d.yaml", "--drain"]) == 65
        ((argv, plan, manifest, functions),) = calls("steps_a")
        assert argv == ["run", "--config", "d.yaml", "--drain"]
        assert [s["name"] for s in json.loads(plan)["steps"]] == ["in", "local", "transform", "out"]
        assert [f["name"] for f in json.loads(manifest)["functions"]] == ["py:app:local"]
        assert set(functions) == {"py:app:local", CARRIER}
        assert functions["py:app:local"] is sys.modules["app"].local

    @pytest.mark.parametrize("verb", ["check", "explain"])
    def test_other_verbs_too(self, package: Package, tmp_path: Path, verb: str) -> None:
        package("steps_a")
        file = write(tmp_path / "app.py", PIPELINE.format(name="steps_a"))
        assert main([verb, file]) == 65
        assert calls("steps_a")[0][0] == [verb]

    def test_the_file_is_found_behind_flags(self, package: Package, tmp_path: Path) -> None:
        package("steps_a")
        file = write(tmp_path / "app.py", PIPELINE.format(name="steps_a"))
        assert main(["run", "--config", "d.yaml", file]) == 65
        assert calls("steps_a")[0][0] == ["run", "--config", "d.yaml"]

    def test_a_plan_needs_no_compiled_module(
        self, package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        package("steps_a", built=False)
        assert main(["plan", write(tmp_path / "app.py", PIPELINE.format(name="steps_a"))]) == 0
        plan = json.loads(capsys.readouterr().out)
        assert plan["steps"][1]["function"] == {"name": "go:example.com/steps_a.Transform"}
        assert "steps_a._native" not in sys.modules

    def test_files_are_imported_as_python_does(
        self, package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder = tmp_path / "elsewhere"
        folder.mkdir()
        write(folder / "neighbour.py", "\ndef f(msg): return msg\n")
        file = write(
            folder / "my-app.py",
            """
            import neighbour
            from levada import Map, StreamSink, streaming_source
            assert __name__ == "my-app"
            pipeline = (
                streaming_source("in", "in")
                .apply(Map("f", neighbour.f))
                .apply(Map("g", lambda m: m))
                .sink(StreamSink("out", "out"))
            )
            """,
        )
        assert main(["plan", file]) == 0
        names = [
            s.get("function", {}).get("name") for s in json.loads(capsys.readouterr().out)["steps"]
        ]
        assert names == [None, "py:neighbour:f", "py:my-app:<lambda>", None]

    @pytest.mark.parametrize(
        ("argv", "code", "text"),
        [
            (
                [],
                64,
                "expected one of run, check, explain, plan, got nothing\nhint: python -m levada",
            ),
            (["walk"], 64, 'expected one of run, check, explain, plan, got "walk"'),
            (["run"], 64, "run: expected a pipeline file\nhint: it comes right after the verb"),
            (["run", "--config", "d.yaml"], 64, "run: expected a pipeline file"),
            (["run", "gone.py"], 78, "gone.py: expected a Python file, got no such file"),
            (["run", "."], 78, ".: expected a Python file, got a folder"),
            (
                ["plan", "p.yaml"],
                64,
                "plan: expected a Python file\nhint: use explain --stage plan",
            ),
            (
                ["run", "notes.txt"],
                78,
                "notes.txt: expected a file that ends in .py, .yaml or .yml",
            ),
            (["run", "json.py"], 78, "json.py: expected a name of its own, there is a module json"),
        ],
    )
    def test_wrong_command_lines(
        self,
        package: Package,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        argv: list[str],
        code: int,
        text: str,
    ) -> None:
        (tmp_path / "notes.txt").touch()
        (tmp_path / "json.py").touch()
        assert main(argv) == code
        assert capsys.readouterr().err.startswith(f"levada: {text}")

    def test_nothing_is_left_of_a_file_that_does_not_import(
        self, package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = write(tmp_path / "app.py", "\nraise KeyError(1)\n")
        assert main(["plan", file]) == 78
        assert "app" not in sys.modules
        write(tmp_path / "app.py", '\npipeline = __import__("levada").streaming_source("a", "b")\n')
        assert main(["plan", file]) == 78
        assert "a step that leads nowhere" in capsys.readouterr().err


class TestExtension:
    def test_missing(
        self, package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        package("steps_a", built=False)
        assert main(["run", write(tmp_path / "app.py", PIPELINE.format(name="steps_a"))]) == 78
        assert capsys.readouterr().err == (
            "levada: steps_a: there is no compiled module in it\n"
            "hint: build it: pip install . in its folder, or levada build\n"
        )

    def test_two_in_one_pipeline(
        self, package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        package("steps_a")
        package("steps_b")
        file = write(
            tmp_path / "app.py",
            """
            import steps_a, steps_b
            from levada import Map, StreamSink, streaming_source
            pipeline = (
                streaming_source("in", "in")
                .apply(Map("b", steps_b.Transform()))
                .apply(Map("a", steps_a.Transform()))
                .sink(StreamSink("out", "out"))
            )
            """,
        )
        assert main(["run", file]) == 78
        assert capsys.readouterr().err == (
            "levada: expected Go steps of one extension, got those of steps_a and steps_b\n"
            "hint: one process holds one Go runtime: "
            "put the Go steps of these packages into one package and build one wheel\n"
        )
        assert not [m for m in sys.modules if m in ("steps_a._native", "steps_b._native")]

    def test_two_in_one_process(self, package: Package) -> None:
        package("steps_a")
        package("steps_b")
        assert _extension.load("steps_a") is _extension.load("steps_a")
        with pytest.raises(ExtensionError, match=r"steps_a and steps_b\nhint: .*into one package"):
            _extension.load("steps_b")

    def test_stale_stub(self, package: Package) -> None:
        package("steps_a", fingerprint="new", stub="old")
        import importlib

        importlib.import_module("steps_a")
        text = "steps_a: expected the layout old of types.py, got new of the compiled module"
        with pytest.raises(ImportError, match=text):
            _extension.load("steps_a")

    @pytest.mark.parametrize(("plan", "fits"), [(0, False), (1, True), (2, True), (3, False)])
    def test_other_releases(self, package: Package, plan: int, fits: bool) -> None:
        package("steps_a", plan=plan, version="9.9.9")
        if fits:
            _extension.load("steps_a")
            return
        text = rf"plan version 1 \(levada {levada.__version__}\), got {plan} \(levada 9.9.9\)"
        with pytest.raises(ExtensionError, match=text):
            _extension.load("steps_a")

    def test_it_does_not_load(self, package: Package) -> None:
        folder = package("steps_a")
        (folder / "_native.py").write_text('raise ImportError("needs CPython 3.11")')
        with pytest.raises(ExtensionError, match=r"steps_a: needs CPython 3\.11"):
            _extension.load("steps_a")

    def test_the_fault_handler_is_there_first(self, package: Package, tmp_path: Path) -> None:
        folder = package("steps_a")
        native = (folder / "_native.py").read_text()
        (folder / "_native.py").write_text(
            f"import faulthandler\nseen = faulthandler.is_enabled()\n{native}"
        )
        code = "from levada import _extension as e; assert e.load('steps_a').seen"
        subprocess.run([sys.executable, "-c", code], env=environment(tmp_path), check=True)
        was = faulthandler.is_enabled()
        faulthandler.disable()
        try:  # and where there is no file for it, that is no obstacle
            sys_stderr, sys.__stderr__ = sys.__stderr__, None  # type: ignore[misc]
            assert _extension.load("steps_a").seen is False
        finally:
            sys.__stderr__ = sys_stderr  # type: ignore[misc]
            if was:
                faulthandler.enable()


class TestGoFunction:
    def test_it_is_a_callable(self, package: Package) -> None:
        package("steps_a")
        import importlib

        steps_a: Any = importlib.import_module("steps_a")
        transform = steps_a.Transform()
        assert "steps_a._native" not in sys.modules  # not by construction
        assert transform(Message(3)) == ["go:example.com/steps_a.Transform", "{}", 3]
        assert "steps_a._native" in sys.modules
        step = steps_a.Threshold(names=["b"], limit=3.0)
        one = ["go:example.com/steps_a.Threshold", '{"limit":3,"names":["b"]}', 1]
        assert step.call_batch(iter([Message(1)])) == [one]
        assert step.settings == {"names": ["b"], "limit": 3.0}
        assert repr(step) == "steps_a.Threshold(names=['b'], limit=3.0)"
        for one_step in (steps_a.Transform(), transform):  # before it is loaded, and after
            assert callable(one_step)
            assert str(inspect.signature(one_step)) == "(message, /)"
            assert not hasattr(one_step, "other")
        assert "settings" in str(inspect.signature(steps_a.Transform))

    def test_it_is_a_value(self, package: Package) -> None:
        package("steps_a")
        import copy
        import importlib
        import pickle

        steps_a: Any = importlib.import_module("steps_a")
        one = steps_a.Threshold(limit=1.0)
        one(Message(1))
        for same in (
            pickle.loads(pickle.dumps(one)),
            copy.deepcopy(one),
            steps_a.Threshold(limit=1),
        ):
            assert same == one and hash(same) == hash(one)
            assert same(Message(1)) == one(Message(1))
        assert one != steps_a.Threshold(limit=2.0)
        assert steps_a.Threshold() != steps_a.Transform()

    @pytest.mark.parametrize(
        ("settings", "error", "text"),
        [
            ({"limt": 3}, TypeError, "unexpected setting 'limt'\nhint: it has limit, width"),
            ({"limit": "3"}, ValueError, "'limit': expected `float`, got `str` - at `$.limit`"),
            ({"limit": True}, ValueError, "expected `float`, got `bool` - at `$.limit`"),
            ({"limit": None}, ValueError, "expected `float`, got `None` - at `$.limit`"),
            ({"width": 256}, ValueError, "expected 0 to 255, got 256 - at `$.width`"),
            ({"width": -1}, ValueError, "expected 0 to 255, got -1 - at `$.width`"),
            ({"width": 1.0}, ValueError, "expected `int`, got `float` - at `$.width`"),
            ({"width": True}, ValueError, "expected `int`, got `bool` - at `$.width`"),
            ({"shift": -32769}, ValueError, "expected -32768 to 32767, got -32769"),
            ({"names": ["a", 2]}, ValueError, "expected `str`, got `int` - at `$.names[1]`"),
            ({"names": "a"}, ValueError, "expected `list`, got `str` - at `$.names`"),
            ({"by": {"a": "x"}}, ValueError, "expected `int`, got `str` - at `$.by.a`"),
            ({"on": 1}, ValueError, "expected `bool`, got `int` - at `$.on`"),
            ({"any": object}, ValueError, "got <class 'object'> - at `$.any`"),
            ({"any": {"b": float("nan")}}, ValueError, "JSON value, got nan - at `$.any.b`"),
            ({"any": {1: 2}}, ValueError, "expected str keys, got 1 - at `$.any`"),
        ],
    )  # fmt: skip
    def test_wrong_settings(
        self, package: Package, settings: dict[str, Any], error: type[Exception], text: str
    ) -> None:
        package("steps_a", built=False)
        import importlib

        steps_a: Any = importlib.import_module("steps_a")
        with pytest.raises(error) as raised:
            steps_a.Threshold(**settings)
        assert text in str(raised.value)
        # Both, since a caller can not know which of the two it will be.
        assert isinstance(raised.value, TypeError) and isinstance(raised.value, ValueError)
        assert isinstance(raised.value, levada.LevadaError)
        line = raised.tb.tb_lineno
        assert f"test_run.py:{line}: Threshold: " in str(raised.value)

    def test_settings_have_names(self, package: Package) -> None:
        package("steps_a", built=False)
        import importlib

        steps_a: Any = importlib.import_module("steps_a")
        with pytest.raises(TypeError) as raised:
            steps_a.Threshold(3)
        want = "Threshold: expected settings by name, got 3 without one\nhint: it has limit, width"
        assert want in str(raised.value)
        with pytest.raises(TypeError, match="unexpected setting 'x'\nhint: it has no settings"):
            steps_a.Transform(x=1)

    def test_right_settings(self, package: Package) -> None:
        package("steps_a", built=False)
        import importlib

        steps_a: Any = importlib.import_module("steps_a")
        steps_a.Threshold(limit=1, width=255, shift=-32768, names=("a",), by={"a": None})
        steps_a.Threshold(on=False, since=None, any=[1, {"a": None}])

    def test_only_generated_classes(self) -> None:
        class Mine(levada.GoFunction[Any, Any]):
            pass

        with pytest.raises(TypeError, match="Mine: expected a class that levada build has written"):
            Mine()

    def test_in_every_spelling_it_is_the_same_step(self, package: Package) -> None:
        package("steps_a", built=False)
        import importlib

        from levada.plan import build

        steps_a: Any = importlib.import_module("steps_a")
        plans = {
            build(streaming_source("in", "in").apply(Map("m", f)).sink(StreamSink("o", "o"))).text
            for f in (steps_a.Transform(), steps_a.Transform, "steps_a.Transform")
        }
        assert len(plans) == 1


class TestRun:
    def test_flags(self, package: Package) -> None:
        package("steps_a")
        pipeline = (
            streaming_source("in", "in")
            .apply(Map("m", "steps_a.Transform"))
            .sink(StreamSink("o", "o"))
        )
        code = levada.run(
            pipeline, config=Path("d.yaml"), drain=True, strict_types=False, lanes=4, group=None
        )
        assert code == 65
        assert calls("steps_a")[0][0] == ["run", "--config", "d.yaml", "--drain", "--lanes", "4"]

    def test_mistakes_are_exceptions(self) -> None:
        with pytest.raises(levada.InvalidPipelineError):
            levada.run(streaming_source("in", "in"))  # type: ignore[arg-type]

    def test_import_is_cheap(self, tmp_path: Path) -> None:
        """What only a run needs, and every compiled module, waits for the run."""
        code = (
            "import sys, levada; late = {'levada._run', 'levada.plan', 'json', 'importlib.util',"
            " 'traceback', 'levada._native'} & set(sys.modules); assert not late, late;"
            "levada.run; assert 'levada._run' in sys.modules and callable(levada.run)"
        )
        subprocess.run([sys.executable, "-S", "-c", code], env=environment(tmp_path), check=True)


class TestRunPackage:
    def test_a_file(self, package: Package, tmp_path: Path) -> None:
        package("steps_a")
        file = write(
            tmp_path / "app.py", "\n" + textwrap.dedent(PIPELINE).replace("{name}", "steps_a")
        )
        assert levada.run_package("steps_a", [file, "--drain"]) == 65
        assert levada.run_package("steps_a", ["check", file]) == 65
        assert [c[0] for c in calls("steps_a")] == [["run", "--drain"], ["check"]]

    def test_its_own_pipeline(self, package: Package) -> None:
        folder = package("steps_a")
        write(folder / "pipeline.py", PIPELINE.format(name="steps_a"))
        assert levada.run_package("steps_a", ["--config", "d.yaml"]) == 65
        argv, plan, _, _ = calls("steps_a")[0]
        assert argv == ["run", "--config", "d.yaml"]
        assert json.loads(plan)["steps"][0]["origin"]["file"] == "pipeline.py"

    def test_a_pipeline_without_its_steps_runs_all_the_same(
        self, package: Package, tmp_path: Path
    ) -> None:
        package("steps_a")
        file = write(
            tmp_path / "app.py",
            """
            from levada import StreamSink, streaming_source
            pipeline = streaming_source("in", "in").sink(StreamSink("out", "out"))
            """,
        )
        assert levada.run_package("steps_a", [file]) == 65

    def test_none(self, package: Package, capsys: pytest.CaptureFixture[str]) -> None:
        package("steps_a")
        assert levada.run_package("steps_a", []) == 64
        assert capsys.readouterr().err == (
            "levada: steps_a: expected a pipeline file\n"
            "hint: python -m steps_a pipeline.py, or give the package a module pipeline\n"
        )


class TestYAML:
    def test_functions_are_brought(self, package: Package, tmp_path: Path) -> None:
        package("steps_a")
        write(tmp_path / "own.py", "\ndef small(msg) -> bool: return True\n")
        file = write(tmp_path / "app.yaml", "steps-from: steps_a\nsteps_a.Transform own:small\n")
        assert main(["run", file, "--drain"]) == 65
        ((argv, plan, manifest, functions),) = calls("steps_a")
        assert (argv, plan) == (["run", file, "--drain"], "")
        assert set(functions) == {"py:own:small", CARRIER}
        assert functions["py:own:small"] is sys.modules["own"].small
        (signature,) = json.loads(manifest)["functions"]
        assert signature["name"] == "py:own:small"
        assert signature["out"] == {"kind": "bool"}
        assert signature["origin"] == {"file": "own.py", "line": 2}

    @pytest.mark.parametrize(
        ("text", "error"),
        [
            ("own:tiny", 'function "own:tiny": module own has no "tiny"\nhint: it has small'),
            ("gone:f", 'function "gone:f": there is no module "gone"'),
            ("broken:f", 'function "broken:f" does not import\nTraceback'),
            ("bad.x", "1:1: bad"),
        ],
    )
    def test_mistakes(
        self,
        package: Package,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        text: str,
        error: str,
    ) -> None:
        package("steps_a")
        write(tmp_path / "own.py", "\ndef small(msg) -> bool: return True\n")
        write(tmp_path / "broken.py", "\n1 / 0\n")
        file = write(tmp_path / "app.yaml", f"steps-from: steps_a\n{text}\n")
        assert main(["check", file]) == 78
        assert error in capsys.readouterr().err

    def test_without_steps_it_is_the_default_extension(
        self, package: Package, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        write(tmp_path / "app.yaml", "pipeline: p\nsteps-from: not.python/at-all\n")
        from levada._run import _extension_of_yaml

        assert _extension_of_yaml(str(tmp_path / "app.yaml")) == "levada"
        assert main(["run", str(tmp_path / "gone.yaml")]) == 78
        assert "expected a YAML file" in capsys.readouterr().err


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"PYTHONPATH": f"{SRC}{os.pathsep}{folder}"}
