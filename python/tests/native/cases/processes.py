"""The rules of the process, seen from Python."""

import os
import signal
import subprocess
import sys
import threading
import time

from kit import METRIC, Function, Message, main, native, one, raises, run


def child(code, check=True, **more):
    env = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.abspath(__file__))}
    return subprocess.run(
        [sys.executable, "-X", "dev", "-c", code],
        env=env,
        timeout=60,
        capture_output=True,
        text=True,
        check=check,
        **more,
    )


def test_ctrl_c_while_main_waits():
    for sig in (signal.SIGINT, signal.SIGTERM):
        times = []

        def kill(sig=sig, times=times):
            time.sleep(0.1)
            times.append(time.monotonic())
            os.kill(os.getpid(), sig)

        t = threading.Thread(target=kill)
        t.start()
        code = native.main(['{"signal": true}', ""], "", "", {})
        spent = time.monotonic() - times[0]
        t.join()
        assert code == 0 and spent < 1, spent
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stop_between_two_messages():
    seen = []

    def step(m):
        seen.append(m.offset)
        if m.offset == 2:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.02)
        return 1

    c = one(("map", step), type="any", values=[0] * 500, stop=True)
    assert c["error"] == "context canceled" and len(seen) < 50, (c, len(seen))


def test_a_fork_after_the_load_is_refused():
    f = Function("go:test.Metric", "")
    f(Message(METRIC))
    pid = os.fork()
    if pid == 0:
        try:
            for call in (
                lambda: f(Message(METRIC)),
                lambda: Function("go:test.Any", ""),
                native.manifest,
                lambda: native.main([], "", "", {}),
            ):
                raises(RuntimeError, "forked", call)
            del f
            os._exit(0)
        except BaseException:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert f(Message(METRIC)) == METRIC


def test_a_fork_inside_a_step():
    """The child touches a payload that is not encoded yet."""

    def step(m):
        pid = os.fork()
        if pid == 0:
            try:
                _ = m.payload
            except RuntimeError as e:
                os._exit(0 if "forked" in str(e) else 1)
            os._exit(2)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    assert one(("map", step), type="Metric", values=[METRIC])["payloads"] == [0]


def test_exit_while_a_lane_works():
    out = child(
        "import kit, threading, time, os, sys\n"
        "def step(m):\n    time.sleep(0.01)\n    return 1\n"
        "t = threading.Thread(target=lambda: kit.one(('map', step), type='any', values=[0] * 300), daemon=True)\n"  # noqa: E501
        "t.start(); time.sleep(0.3); print('bye')",
        check=False,
    )
    assert (out.returncode, out.stdout) == (0, "bye\n"), out


def test_loading_twice_in_one_process():
    out = child(
        "import kit, sys\n"
        "first = kit.native\n"
        "del sys.modules['nativetest._native']\n"
        "second = kit.load()\n"
        "assert first is not second and first.Message is not second.Message\n"
        "f, g = first.Function('go:test.Any', ''), second.Function('go:test.Any', '')\n"
        "assert f(second.Message(1)) == 1 == g(first.Message(1))\n"
        "del first, kit.native, kit.Function, kit.Message\n"
        "import gc; gc.collect()\n"
        "assert f(second.Message(2)) == 2\n"
        "del f; gc.collect()\n"
        "assert g(second.Message([3])) == [3]\n"
    )
    assert out.stderr == "", out.stderr


def test_a_second_interpreter_is_refused():
    out = child(
        "import kit, os\n"
        "try:\n    import _xxsubinterpreters as s\n"
        "except ImportError:\n    import _interpreters as s\n"
        "i = s.create() if not hasattr(s, 'new_config') else s.create('legacy')\n"
        "code = 'import sys; sys.path.insert(0, %r)\\ntry:\\n import kit\\nexcept ImportError as e:\\n print(e)\\nelse:\\n print(\"LOADED\")' % os.environ['PYTHONPATH']\n"  # noqa: E501
        "r = s.run_string(i, code)\n"
        "assert r is None, r\n",
        check=False,
    )
    assert "LOADED" not in out.stdout and "interpreter" in out.stdout, out


def test_interpreters_of_another_layout_are_refused_by_name():
    for change, text in (
        ("sys.abiflags = 't'", "free-threaded CPython"),
        ("sys.getobjects = print", "Py_TRACE_REFS"),
    ):
        out = child(f"import sys; {change}; import kit", check=False)
        assert (
            out.returncode == 1 and "ImportError: levada: " in out.stderr and text in out.stderr
        ), out


def test_an_error_in_main_leaves_nothing_behind():
    for _ in range(50):
        assert (
            run({}, type="any", values=[1], ops=[{"calls": [], "form": "objects"}])["chunks"][0][
                "column"
            ]
            == "*bridge.Objects"
        )


main(globals())
