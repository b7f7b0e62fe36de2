"""``gradwalk run SCRIPT`` gives what ``python SCRIPT`` gives: standard output, traceback and exit code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap

import pytest

SCRIPTS = {
    "what it sees of itself": """
        import os, sys
        print(__name__, __file__, sys.argv, sys.path[0], os.getcwd(), __builtins__.__name__, __spec__, __package__, __doc__)
        print(sorted(globals()), sys.modules["__main__"].__dict__ is globals(), type(__loader__).__name__)
        print(sys.stdin.read(), sys.stdout.line_buffering, sys.stdout.isatty(), "numpy" in sys.modules, "click" in sys.path)
        """,
    "exit with a number": "import sys; print('before'); sys.exit(7)",
    "exit with a text": "import sys; sys.exit('that was it')",
    "exit with nothing": "import sys; sys.exit()",
    "exit with a class of its own": """
        class Leave(SystemExit):
            pass
        raise Leave(3)
        """,
    "an exception": """
        def f(x):
            return 1 / x
        try:
            {}["a"]
        except KeyError as error:
            f(0)
        """,
    "a chain of exceptions": """
        import json
        try:
            json.loads("{")
        except ValueError as error:
            raise RuntimeError("no good") from error
        """,
    "a syntax error": "print('never'\nx = = 2",
    "a hook for exceptions": """
        import sys
        sys.excepthook = lambda kind, error, trace: print("caught", kind.__name__, error, trace.tb_lineno)
        raise ValueError("x")
        """,
    "a hook that fails": """
        import sys
        def hook(*_):
            raise KeyError("hook")
        sys.excepthook = hook
        raise ValueError("x")
        """,
    "threads, exit functions, their order": """
        import atexit, sys, threading, time
        atexit.register(print, "exit function")
        def late():
            time.sleep(0.2)
            print("thread")
        threading.Thread(target=late).start()
        print("main ends")
        """,
    "pickle of its own class": """
        import pickle
        class Thing:
            def __init__(self, x):
                self.x = x
        data = pickle.dumps(Thing(4))
        print(b"__main__" in data, pickle.loads(data).x, Thing)
        """,
    "processes of its own": """
        import multiprocessing, os, sys
        def square(x):
            return x * x, __name__
        if __name__ == "__main__":
            for how in ("fork", "spawn"):
                with multiprocessing.get_context(how).Pool(2) as pool:
                    print(how, pool.map(square, range(4)))
            pid = os.fork()
            if pid == 0:
                print("child", flush=True)
                sys.exit(5)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        """,
    "no child but its own": """
        import os
        try:
            print(os.waitpid(-1, os.WNOHANG))
        except ChildProcessError as error:
            print(error)
        """,
    "modules beside it": """
        import queue, helper, inspect
        print(queue.MINE, helper.__file__, inspect.getsource(helper.f), helper.f())
        """,
    "future imports are not ours": """
        def f(x: int) -> "str":
            return x
        print(f.__annotations__)
        """,
    "a warning": "import warnings; warnings.warn('careful', DeprecationWarning)",
    "an interrupt": """
        import atexit
        atexit.register(print, "exit function")
        raise KeyboardInterrupt
        """,
    "killed by itself": """
        import os, signal
        print("before", flush=True)
        os.kill(os.getpid(), signal.SIGTERM)
        """,
    "its own signal handler": """
        import os, signal
        signal.signal(signal.SIGINT, lambda *_: print("handled"))
        os.kill(os.getpid(), signal.SIGINT)
        print(signal.getsignal(signal.SIGTERM), "after")
        """,
    "ends at the end of input": "print(input()); print(input())",
}


def dedent(text):
    return textwrap.dedent(text).lstrip("\n")


def said(result):
    ours = re.compile(r"^gradwalk: .*\n", re.MULTILINE)
    return result.returncode, result.stdout, ours.sub("", result.stderr)


@pytest.mark.parametrize("name", SCRIPTS)
def test_as_under_python(name, write, python, gradwalk):
    write("work/queue.py", "MINE = True")
    write("work/helper.py", "def f():\n    return __name__\n")
    write("work/script.py", dedent(SCRIPTS[name]))
    arguments = ("work/script.py", "--epochs", "3", "--", "-x")
    plain = python(*arguments, input="a line of input")
    assert said(gradwalk("run", *arguments, input="a line of input")) == said(plain)


def test_a_folder_with_a_main_runs_as_under_python(write, python, gradwalk):
    write(
        "package/__main__.py", "import sys, beside\nprint(__name__, __file__, sys.path[0], __package__, __spec__.name, beside.X)"
    )
    write("package/beside.py", "X = 4")
    assert said(gradwalk("run", "package")) == said(python("package"))


def test_a_link_runs_with_the_folder_that_it_points_to(write, python, gradwalk, tmp_path):
    write("work/script.py", "import sys, helper\nprint(__file__, sys.path[0])")
    write("work/helper.py", "")
    (tmp_path / "link.py").symlink_to(tmp_path / "work" / "script.py")
    assert said(gradwalk("run", "link.py")) == said(python("link.py"))


def test_as_the_app_starts_it(write, python):
    write("work/script.py", "import sys, helper\nprint(sys.path[:2], sys.argv, helper.X)")
    write("work/helper.py", "X = 4")
    assert said(python("-P", "-m", "gradwalk", "run", "work/script.py", "a")) == said(python("work/script.py", "a"))


def test_settings_at_the_top_of_a_script_come_before_numpy(write, gradwalk):
    write("script.py", "import sys\nprint([name for name in ('numpy', 'torch', 'rich', 'PySide6') if name in sys.modules])")
    assert gradwalk("run", "script.py").stdout == "[]\n"


def test_standard_output_is_buffered_as_it_was(write, python, gradwalk):
    write("script.py", "import os, sys\nprint('lost')\nprint('kept', file=sys.stderr)\nos._exit(4)")
    assert said(gradwalk("run", "script.py")) == said(python("script.py"))
    unbuffered = {"env": {"PYTHONUNBUFFERED": "1"}}
    assert said(gradwalk("run", "script.py", **unbuffered)) == said(python("script.py", **unbuffered))


def test_closed_streams_are_as_under_python(write, python, gradwalk, tmp_path, environment):
    write("script.py", "import os, sys\nos.write(1, repr((sys.stderr, sys.stdin)).encode())\nprint('out')")
    plain, ours = (
        subprocess.run(
            ["sh", "-c", f"{sys.executable} {command} script.py <&- 2>&-"],
            cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
        )
        for command in ("", "-m gradwalk run")
    )  # fmt: skip
    assert (ours.returncode, ours.stdout) == (plain.returncode, plain.stdout) == (0, "(None, None)out\n")


def test_the_installed_command_is_the_same(write, python, tmp_path, environment):
    write("script.py", "import sys\nprint(sys.argv, sys.path[0])\nsys.exit(9)")
    command = os.path.join(os.path.dirname(sys.executable), "gradwalk")
    result = subprocess.run(
        [command, "run", "script.py", "a"], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert said(result) == said(python("script.py", "a"))
