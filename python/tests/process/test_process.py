"""The rules of a process with Go and CPython in it, each in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXT = ROOT / "internal" / "bridge" / "process" / "testdata" / "ext"

os.environ.setdefault("GOTOOLCHAIN", "go1.27.3")


def go_build(output: Path, folder: Path) -> None:
    subprocess.run(
        ["go", "build", "-buildmode=c-shared", "-o", str(output), "."],
        cwd=folder,
        check=True,
        env={**os.environ, "CGO_ENABLED": "1"},
    )


@pytest.fixture(scope="session")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the extension, and a second one that is another file."""
    folder = tmp_path_factory.mktemp("modules")
    go_build(folder / "parktest.abi3.so", EXT)
    (folder / "second").mkdir()
    shutil.copy(folder / "parktest.abi3.so", folder / "second" / "parktest.abi3.so")
    return folder


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Go library that has nothing to do with Levada."""
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "go.mod").write_text("module example.com/foreign\n\ngo 1.27\n")
    (folder / "main.go").write_text(
        'package main\n\nimport "C"\n\n//export Answer\nfunc Answer() C.int { return 42 }\n\n'
        "func main() {}\n"
    )
    go_build(folder / "foreign.so", folder)
    return folder / "foreign.so"


class Child:
    """A Python that has the extension on its path."""

    def __init__(self, modules: Path, code: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(modules)},
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def kill(self, sig: signal.Signals) -> None:
        self.process.send_signal(sig)

    def end(self) -> tuple[int, str, str]:
        # Not communicate: it does not see what line has read ahead.
        assert self.process.stdout is not None and self.process.stderr is not None
        with self.process:
            out, err = self.process.stdout.read(), self.process.stderr.read()
        return self.process.returncode, out, err


def test_the_result_of_a_run(modules: Path) -> None:
    got = Child(modules, "import parktest; print(parktest.park(0), parktest.park(0))").end()
    assert got == (0, "ready\nready\n7 7\n", "")


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_drains(sig: signal.Signals, modules: Path) -> None:
    code = (
        "import parktest, signal\n"
        "print(parktest.park(1))\n"
        "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "assert signal.set_wakeup_fd(-1) == -1\n"
    )
    child = Child(modules, code)
    assert child.line() == "ready"
    start = time.monotonic()
    child.kill(sig)
    assert child.line() == "stop"
    assert time.monotonic() - start < 1  # at once, as far as a busy machine can tell
    assert child.end() == (0, "7\n", "")


def test_the_second_signal_aborts(modules: Path) -> None:
    child = Child(modules, "import parktest; print(parktest.park(2))")
    assert child.line() == "ready"
    child.kill(signal.SIGTERM)
    assert child.line() == "stop"
    child.kill(signal.SIGINT)
    assert child.end() == (0, "stop\n7\n", "")


# Fault: endless loop in Python -> exit 75: after the second signal, says: aborted, and a step
#   did not return within 5s
def test_a_step_that_never_returns_does_not_keep_the_process(modules: Path) -> None:
    child = Child(modules, "import parktest; print(parktest.park(3))")
    assert child.line() == "ready"
    child.kill(signal.SIGTERM)
    assert child.line() == "stop"
    child.kill(signal.SIGTERM)
    assert child.line() == "stop"
    code, out, err = child.end()
    assert (code, out) == (75, "")
    assert "aborted, and a step did not return within 5s" in err


def test_the_reader_works_while_a_step_keeps_the_gil(modules: Path) -> None:
    """A drain is asked for though the main thread can not run a handler."""
    code = (
        "import ctypes, threading, parktest\n"
        "sleep = ctypes.PyDLL(None).sleep\n"  # keeps the GIL
        "threading.Timer(0.2, lambda: (print('held', flush=True), sleep(1))).start()\n"
        "print(parktest.park(1))\n"
    )
    child = Child(modules, code)
    assert [child.line(), child.line()] == ["ready", "held"]
    start = time.monotonic()
    child.kill(signal.SIGTERM)
    assert child.line() == "stop"
    assert time.monotonic() - start < 0.5
    assert child.end() == (0, "7\n", "")


def test_a_handler_of_the_program_runs_and_stays(modules: Path) -> None:
    code = (
        # One write each: the library writes its "stop" to the same pipe.
        "import os, signal, parktest\n"
        "def mine(*_): os.write(1, b'mine\\n')\n"
        "signal.signal(signal.SIGTERM, mine)\n"
        "signal.signal(signal.SIGUSR1, mine)\n"
        "print(parktest.park(1), signal.getsignal(signal.SIGTERM) is mine)\n"
    )
    child = Child(modules, code)
    assert child.line() == "ready"
    child.kill(signal.SIGUSR1)
    assert child.line() == "mine"  # and no drain
    child.kill(signal.SIGTERM)
    code_, out, err = child.end()
    assert (code_, sorted(out.splitlines()), err) == (0, ["7 True", "mine", "stop"], "")


def test_a_handler_that_raises_drains_and_is_heard(modules: Path) -> None:
    code = (
        "import signal, parktest\n"
        "def mine(*_): raise ValueError('from the handler')\n"
        "signal.signal(signal.SIGUSR1, mine)\n"
        "try: parktest.park(1)\n"
        "except ValueError as e: print(e)\n"
    )
    child = Child(modules, code)
    assert child.line() == "ready"
    child.kill(signal.SIGUSR1)
    assert child.end() == (0, "stop\nfrom the handler\n", "")


def test_away_from_the_main_thread_signals_stay_where_they_are(modules: Path) -> None:
    code = (
        "import threading, parktest\n"
        "t = threading.Thread(target=lambda: print(parktest.park(0)))\n"
        "t.start(); t.join()\n"
    )
    assert Child(modules, code).end() == (0, "ready\n7\n", "")


# Fault: fork after import -> goes on: the call in the child raises, the parent goes on, says:
#   forked after the extension was loaded
def test_a_fork_is_refused_by_name(modules: Path) -> None:
    code = (
        "import os, parktest\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    try: parktest.park(0)\n"
        "    except RuntimeError as e: print(e, flush=True)\n"
        "    os._exit(0)\n"
        "os.waitpid(pid, 0)\n"
        "print(parktest.park(0))\n"
    )
    got, out, err = Child(modules, code).end()
    assert got == 0, err
    assert "forked after the extension was loaded" in out
    assert 'set_start_method("spawn")' in out
    assert out.endswith("ready\n7\n")


def test_load_in_the_child_only(modules: Path) -> None:
    code = (
        "import os\n"
        "pid = os.fork()\n"
        "if pid == 0:\n"
        "    import parktest\n"
        "    os._exit(parktest.park(0))\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    got, out, err = Child(modules, code).end()
    assert (got, out) == (0, "ready\n7\n"), err


def test_exit_waits_for_a_crossing(modules: Path) -> None:
    start = time.monotonic()
    got = Child(modules, "import parktest; parktest.hold(500)").end()
    assert got == (0, "", "")
    assert time.monotonic() - start >= 0.5


def test_exit_does_not_wait_for_ever(modules: Path) -> None:
    code, out, err = Child(modules, "import parktest; parktest.hold(60000)").end()
    assert (code, out) == (70, "")
    assert "a step did not return within 5 s" in err


# Fault: two extensions in one process -> goes on: the second import raises, says: one process
#   can hold one Levada extension
def test_a_second_extension_is_refused(modules: Path) -> None:
    code = (
        "import os, sys, parktest\n"
        "first = sys.modules.pop('parktest')\n"
        "sys.path.insert(0, os.environ['PYTHONPATH'] + '/second')\n"
        "try: import parktest\n"
        "except ImportError as e: print(e)\n"
        "print(first.park(0))\n"
    )
    got, out, err = Child(modules, code).end()
    assert got == 0, err
    path = modules / "parktest.abi3.so"
    assert out.startswith(
        f"levada: one process can hold one Levada extension, and {path} is loaded already\nhint: "
    )
    assert out.endswith("ready\n7\n")


def test_a_foreign_runtime_is_warned_of(modules: Path, foreign: Path) -> None:
    code = (
        f"import ctypes, warnings; lib = ctypes.CDLL({str(foreign)!r})\n"
        "with warnings.catch_warnings(record=True) as caught:\n"
        "    warnings.simplefilter('always')\n"
        "    import parktest\n"
        "print(caught[0].category.__name__, caught[0].message)\n"
        "print(lib.Answer(), parktest.park(0))\n"
    )
    got, out, err = Child(modules, code).end()
    assert got == 0, err
    assert out.startswith(f"RuntimeWarning levada: {foreign} brought another Go runtime into")
    assert out.endswith("ready\n42 7\n")


def test_a_warning_as_an_error_does_not_load(modules: Path, foreign: Path) -> None:
    code = (
        f"import ctypes, warnings; ctypes.CDLL({str(foreign)!r})\n"
        "warnings.simplefilter('error')\n"
        "try: import parktest\n"
        "except RuntimeWarning as e: print('refused')\n"
    )
    assert Child(modules, code).end() == (0, "refused\n", "")


def test_a_failed_run_does_not_wait_for_a_step(modules: Path) -> None:
    """What a run ends with is what the process ends with, also where a lane never comes
    out of Python and nobody waits five seconds for it."""
    code = "import sys, parktest\nparktest.hold(60_000)\nsys.exit(parktest.park(0))\n"
    start = time.monotonic()
    code_, out, err = Child(modules, code).end()
    assert (code_, out, err) == (7, "ready\n", "")
    assert time.monotonic() - start < 4


def test_a_failed_run_ends_while_a_step_keeps_the_gil(modules: Path) -> None:
    code = (
        "import ctypes, sys, threading, parktest\n"
        "sleep = ctypes.PyDLL(None).sleep\n"  # keeps the GIL
        "parktest.hold(60_000)\n"
        "threading.Timer(0.2, lambda: (print('held', flush=True), sleep(60))).start()\n"
        "sys.exit(parktest.park(1))\n"
    )
    child = Child(modules, code)
    assert [child.line(), child.line()] == ["ready", "held"]
    child.kill(signal.SIGTERM)
    assert child.end() == (7, "stop\n", "")
