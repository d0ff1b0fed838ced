"""Running a pipeline: from Python, from its file, from the package of its Go steps."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from enum import Enum
from types import ModuleType, TracebackType
from typing import Any

from levada import _extension, _names
from levada._adapt import adapted
from levada._crossing import converters
from levada._manifest import Manifest
from levada._types import read_annotations
from levada.errors import InvalidPipelineError, LevadaError, Violation
from levada.pipeline import Branch, OpenBranch, Pipeline, Stream
from levada.plan import Plan, build

__all__ = ["main", "run", "run_package"]

OK = 0
USAGE = 64
CONFIG = 78
"""Exit codes; those of a run are the engine's."""

_VERBS = ("run", "check", "explain", "plan")


class _UsageError(LevadaError):
    """A wrong command line."""


class _FileError(LevadaError):
    """A pipeline file that can not be used; the text is complete."""


def run(pipeline: Pipeline, config: str | os.PathLike[str] | None = None, **flags: Any) -> int:
    """Runs a pipeline until it is stopped and returns the exit code.

    Args:
        pipeline: what to run.
        config: the deployment file.
        flags: those of ``levada run``, with underscores: ``drain=True``, ``lanes=4``.

    Raises:
        InvalidPipelineError: the pipeline is wrong, in a way that Python sees.
        ExtensionError: there is no compiled module to run it with.
    """
    plan = build(pipeline)
    return _start(plan, _extension.one_of(plan.extensions), ["run", *_arguments(config, flags)])


def run_package(package: str, argv: Sequence[str] | None = None) -> int:
    """What ``python -m package`` does: a verb and its flags for the pipeline of a
    package. The pipeline is a file that the arguments name, or else the package's
    module ``pipeline``.

    Returns the exit code; what went wrong was written to standard error.
    """
    return _guarded(lambda: _dispatch(list(sys.argv[1:] if argv is None else argv), package))


def main(argv: Sequence[str] | None = None) -> int:
    """What ``python -m levada`` does.

    Returns the exit code; what went wrong was written to standard error.
    """
    return _guarded(lambda: _dispatch(list(sys.argv[1:] if argv is None else argv), None))


def _guarded(work: Callable[[], int]) -> int:
    try:
        return work()
    except _UsageError as e:
        return _fail(str(e), USAGE)
    except LevadaError as e:
        return _fail(str(e), CONFIG)


def _fail(message: str, code: int) -> int:
    print(f"levada: {message}", file=sys.stderr)
    return code


def _dispatch(argv: list[str], package: str | None) -> int:
    verb = argv.pop(0) if argv and argv[0] in _VERBS else None
    if verb is None:
        if package is None:
            got = f'"{argv[0]}"' if argv else "nothing"
            raise _UsageError(
                f"expected one of {', '.join(_VERBS)}, got {got}\n"
                "hint: python -m levada run pipeline.py --config deployment.yaml"
            )
        verb = "run"
    file = _take_file(argv)
    if file is not None and file.endswith((".yaml", ".yml")):
        if verb == "plan":
            raise _UsageError("plan: expected a Python file\nhint: use explain --stage plan")
        return _start_yaml(file, [verb, file, *argv], package)
    if file is not None:
        plan = _plan_of_file(file)
    elif package is not None:
        plan = _plan_of_package(package)
    else:
        raise _UsageError(
            f"{verb}: expected a pipeline file\n"
            "hint: it comes right after the verb, before the flags"
        )
    if verb == "plan":
        sys.stdout.write(plan.text)
        return OK
    wanted = plan.extensions if package is None else (*plan.extensions, package)
    return _start(plan, _extension.one_of(tuple(sorted(set(wanted)))), [verb, *argv])


def _take_file(argv: list[str]) -> str | None:
    """Takes the pipeline file out of the arguments. Which flags have a value is the
    engine's knowledge, so it is the first argument or the only one that is Python."""
    if argv and not argv[0].startswith("-"):
        return argv.pop(0)
    found = [a for a in argv if a.endswith(".py")]
    if len(found) != 1:
        return None
    argv.remove(found[0])
    return found[0]


def _arguments(config: str | os.PathLike[str] | None, flags: dict[str, Any]) -> list[str]:
    out = [] if config is None else ["--config", os.fspath(config)]
    for name, value in flags.items():
        if value is True:
            out.append(f"--{name.replace('_', '-')}")
        elif value is not None and value is not False:
            out += [f"--{name.replace('_', '-')}", str(value)]
    return out


def _start(plan: Plan, package: str, argv: list[str]) -> int:
    native = _extension.load(package)
    return int(native.main(argv, plan.text, plan.manifest, converters(plan.functions)))


def _plan_of_file(file: str) -> Plan:
    folder = os.path.dirname(os.path.abspath(file))
    try:
        module = _load_file(file, folder)
        return build(_pipeline_of(module, file), folder)
    except InvalidPipelineError as e:
        raise _FileError(e.within(folder)) from e


def _plan_of_package(package: str) -> Plan:
    name = f"{package}.pipeline"
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as e:
        if e.name != name:
            raise
        raise _UsageError(
            f"{package}: expected a pipeline file\n"
            f"hint: python -m {package} pipeline.py, or give the package a module pipeline"
        ) from None
    file = module.__file__ or name
    return build(_pipeline_of(module, file), os.path.dirname(file))


def _load_file(file: str, folder: str) -> ModuleType:
    """Imports a file as the module of its stem, from its own folder, as python does."""
    if not os.path.isfile(file):
        fact = "a folder" if os.path.isdir(file) else "no such file"
        raise _FileError(f"{file}: expected a Python file, got {fact}")
    stem = os.path.splitext(os.path.basename(file))[0]
    path = os.path.abspath(file)
    known = sys.modules.get(stem)
    if known is not None and getattr(known, "__file__", None) != path:
        raise _FileError(
            f"{file}: expected a name of its own, there is a module {stem} already\n"
            "hint: rename the file"
        )
    if folder not in sys.path:
        sys.path.insert(0, folder)
    spec = importlib.util.spec_from_file_location(stem, path)
    if spec is None or spec.loader is None:
        raise _FileError(f"{file}: expected a file that ends in .py, .yaml or .yml")
    module = importlib.util.module_from_spec(spec)
    # Annotations and pickles look their module up.
    sys.modules[stem] = module
    try:
        spec.loader.exec_module(module)
    except InvalidPipelineError:
        raise
    except (Exception, SystemExit) as e:
        del sys.modules[stem]
        raise _FileError(f"{file}: does not import\n{_traceback(e)}") from e
    return module


def _traceback(error: BaseException) -> str:
    """The traceback from the user's file on: how it came to be loaded is no news."""
    tb: TracebackType | None = error.__traceback__
    while tb is not None and _is_machinery(tb.tb_frame.f_globals.get("__name__", "")):
        tb = tb.tb_next
    return "".join(traceback.format_exception(type(error), error, tb)).rstrip("\n")


def _is_machinery(module: str) -> bool:
    return module.partition(".")[0] in ("levada", "importlib")


def _pipeline_of(module: ModuleType, file: str) -> object:
    if hasattr(module, "pipeline"):
        pipeline = module.pipeline
        if not isinstance(pipeline, Pipeline | Stream | OpenBranch):
            got = type(pipeline).__name__
            raise InvalidPipelineError(
                Violation(f'{file}: expected "pipeline" to be a pipeline, got {got}')
            )
        return pipeline
    kinds = (Pipeline, Stream, OpenBranch, Branch)
    found = [n for n, v in vars(module).items() if isinstance(v, kinds)]
    names = found or [
        n
        for n, v in vars(module).items()
        if not n.startswith("_")
        and getattr(v, "__module__", module.__name__) == module.__name__
        and not isinstance(v, ModuleType)
    ]
    hint = f'rename "{found[0]}" to "pipeline"' if len(found) == 1 else ""
    defines = ", ".join(names) or "nothing"
    raise InvalidPipelineError(
        Violation(f'{file}: expected it to define "pipeline", it defines {defines}', hint=hint)
    )


_STEPS_FROM = re.compile(r"""^steps-from:\s*["']?([\w.]+)""", re.MULTILINE)


def _start_yaml(file: str, argv: list[str], package: str | None) -> int:
    """YAML is read by the compiled module, which says which Python functions to bring."""
    folder = os.path.dirname(os.path.abspath(file))
    if folder not in sys.path:
        sys.path.insert(0, folder)
    native = _extension.load(package or _extension_of_yaml(file))
    manifest = Manifest(folder, {})
    try:
        names = native.yaml_functions(file)
    except ValueError as e:
        raise _FileError(str(e)) from e
    for name in names:
        if ":" not in name:
            continue  # a Go function: the compiled module has it
        try:
            function = _names.resolve(name)
        except _names.UnknownName as e:
            raise InvalidPipelineError(Violation(f"{file}: {e}", hint=e.hint)) from None
        except Exception as e:
            raise _FileError(f'{file}: function "{name}" does not import\n{_traceback(e)}') from e
        said = read_annotations(function)
        # Which of them a route calls is not known here.
        by_enum = isinstance(said.returns, type) and issubclass(said.returns, Enum)
        callee = adapted(function, said.takes, said, by_enum=by_enum)
        manifest.add(f"py:{name}", function, callee, said)
    return int(native.main(argv, "", manifest.text(), converters(manifest.functions)))


def _extension_of_yaml(file: str) -> str:
    """The package that ``steps-from`` names, if it is a Python one. The line decides
    which compiled module to load, and only that one can read YAML."""
    try:
        with open(file, encoding="utf-8") as f:
            found = _STEPS_FROM.search(f.read())
    except (OSError, UnicodeDecodeError) as e:
        raise _FileError(f"{file}: expected a YAML file, got {e}") from e
    if found is not None and _extension.exists(found[1]):
        return found[1]
    return _extension.DEFAULT
