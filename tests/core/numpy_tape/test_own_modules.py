"""The script's own modules get the tape; everybody else's NumPy is left alone."""

from __future__ import annotations

import builtins
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gradwalk.numpy_tape.own import Own

from .conftest import lines

LIBRARY = """
import numpy as np
def make(n):
    return np.ones(n)
def halved(x):
    return np.divide(x, 2)
def descend(params, grads):
    for p, g in zip(params, grads):
        p -= 0.1 * g
plain = type(np.zeros(1)) is np.ndarray and type(np.random.rand(2)) is np.ndarray and type(np).__name__ == "module"
"""

SCRIPT = """
import sys
sys.path.insert(0, {library!r})
import helper, somebody, numpy as np
rng = np.random.default_rng(0)
x, w = rng.normal(size=(4, 3)), rng.normal(size=(3, 2))
target = somebody.make((4, 2))
print(somebody.plain, type(target) is np.ndarray)
for i in range(3):
    out = helper.model(x, w)
    loss = np.mean(somebody.halved(out - target) ** 2)
    print(loss)
    dw = x.T @ (out - target) / 16
    somebody.descend([w], [dw])
"""


@pytest.fixture
def third_party(scripts, tmp_path_factory):
    folder = tmp_path_factory.mktemp("site-packages")
    (folder / "somebody.py").write_text(LIBRARY, encoding="utf-8")
    scripts.write("helper.py", "import numpy as np\ndef model(x, w):\n    return np.maximum(x @ w, 0)\n")
    yield SCRIPT.format(library=str(folder))
    sys.path.remove(str(folder))
    sys.modules.pop("somebody", None)


def test_a_third_party_makes_plain_arrays_and_the_scripts_modules_do_not(scripts, third_party):
    ran = scripts.taped(third_party)
    assert ran.out.splitlines()[0] == "True True"
    assert ran.losses == [float(line) for line in ran.out.splitlines()[1:]]
    assert ran.out == scripts.plain(third_party).out
    assert lines(ran.traces[1])[:3] == [
        "forward matmul(x, w) -> -",
        "forward maximum(-) -> out",
        "forward subtract(out, target) -> -",
    ]


def test_what_a_third_party_does_to_our_arrays_stands_at_the_line_that_called_it(scripts, third_party):
    trace = scripts.taped(third_party).traces[0]
    assert lines(trace)[-1] == "update (update) subtract(w, -) -> w.1"
    sites = [trace.graph.sites[op.site] for op in trace.graph.ops]
    assert sites[-1].expression == "somebody.descend([w], [dw])"
    assert [frame.function for frame in sites[0].stack] == ["<module>", "model"]
    assert {Path(site.file).name for site in sites} == {"script.py", "helper.py"}


def test_numpy_in_sys_modules_stays_the_real_one(scripts):
    ran = scripts.taped("import numpy as np, sys\nreal = sys.modules['numpy']\nsame = real is np")
    assert ran.names["real"] is np
    assert not ran.names["same"]


def test_what_the_script_sets_on_numpy_is_set_for_all(scripts):
    scripts.taped("import numpy as np\nnp.spoon = 5\nthere = np.spoon\n")
    assert np.spoon == 5
    ran = scripts.taped("import numpy as np\ndel np.spoon\n")
    assert ran.error is None
    assert not hasattr(np, "spoon")


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("train.py", True),
        ("models/net.py", True),
        (".venv/lib/python3.11/site-packages/thing/__init__.py", False),
        ("../elsewhere/module.py", False),
        ("<string>", False),
    ],
)
def test_own_modules_are_those_beside_the_script(tmp_path, file, own):
    assert Own(tmp_path).file(file if file.startswith("<") else str(tmp_path / file)) is own


def test_gradwalk_itself_and_the_library_are_nobodys_own():
    root = Path(__file__).parents[3]
    assert not Own(root).file(str(root / "core/gradwalk/tape.py"))
    assert Own(root).file(str(root / "examples/numpy_by_hand.py"))
    assert not Own(Path("/")).file(subprocess.__file__)
    assert Own(root).module({"__name__": "__main__"})
    assert not Own(root).module({"__name__": "json", "__file__": "/usr/lib/json.py"})


def test_another_import_hook_may_stand_on_ours(scripts):
    def prepare(tape):
        below = builtins.__import__
        builtins.__import__ = lambda *arguments, **named: below(*arguments, **named)

    real = builtins.__import__
    try:
        ran = scripts.taped("import numpy as np\na = np.ones(2) + 1\n", prepare=prepare)
        assert len(ran.traces) == 1
        again = {"__name__": "__main__"}
        exec("import numpy as np\na = np.ones(2)", again)
        assert again["np"] is np
    finally:
        builtins.__import__ = real


def test_threads_and_callbacks_compute_plainly(scripts):
    text = """
import threading, numpy as np
x = np.ones(3)
found = []
def work():
    found.append(type(np.exp(x)) is np.ndarray and float((x * 2).sum()) == 6.0)
thread = threading.Thread(target=work)
thread.start()
thread.join()
y = np.apply_along_axis(lambda row: row * 2, 0, x)
print(found, y)
"""
    ran = scripts.taped(text)
    assert ran.out == "[True] [2. 2. 2.]\n"
    assert lines(ran.traces[0]) == ["forward apply_along_axis(x) -> y"]
