"""A script sees what it would see without a tape: values, types, texts, messages, pickles."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest

from gradwalk.numpy_tape import install

from .conftest import Collecting, lines

SETUP = """
import copy, hashlib, io, json, operator, pickle
import numpy as np
from numpy.random import Generator, RandomState, default_rng
np.random.seed(0)
x, w = np.random.randn(4, 5), np.random.rand(5, 3)
s, q, f = x.sum(), x.astype(np.float32).mean(), x.astype(np.float32)
def digest(a):
    return hashlib.md5(np.ascontiguousarray(a).tobytes()).hexdigest(), a.shape, str(a.dtype), type(a).__name__
def show(make):
    try:
        made = make()
    except Exception as error:
        return type(error).__name__, str(error)
    return type(made).__name__, str(type(made)), repr(made), str(made)
"""

ARRAYS = """
x
x.T
x[0]
x[x > 0.5]
x[[0, 1], [2, 3]]
[row.sum() for row in x]
list(x[0])
digest(x @ x.T), digest(x.T.dot(x)), digest(np.einsum("ij,jk->ik", x, w)), digest(np.tensordot(x, w, 1))
digest(np.concatenate([x, x], 1)), digest(np.stack([x, x])), [digest(p) for p in np.split(x, 2)]
digest(np.where(x > 0, x, 0)), digest(np.clip(x, -1, 1)), digest(x.clip(min=0)), digest(np.pad(x, 1))
x.shape, x.dtype, x.size, len(x), x.nbytes, x.strides, x.flags.c_contiguous
type(x), type(x).__name__, x.__class__, isinstance(x, np.ndarray)
np.asarray(x) is x, np.array(x) is x, x.base is None, x.T.base is x, x[1:][1:].base is x, np.shares_memory(x, x.T)
np.dot(x, w, out=np.zeros((4, 3)))
x.mean(0), x.std(), x.var(ddof=1), x.argmax(), x.max(axis=1, keepdims=True), np.median(x), np.percentile(x, 30), np.ptp(x)
np.linalg.svd(x).S, np.linalg.norm(x), np.linalg.det(x @ x.T), np.linalg.solve(x @ x.T, x[:, 0])
default_rng(3).normal(size=3), repr(type(default_rng(3))), isinstance(default_rng(3), Generator), str(default_rng(3))
RandomState(5).randn(2), isinstance(RandomState(5), np.random.RandomState), pickle.loads(pickle.dumps(RandomState(5))).rand(2)
pickle.loads(pickle.dumps(default_rng(1))).random(2), copy.deepcopy(default_rng(1)).random(), default_rng(1).spawn(1)[0].random(2)
np.random.Generator(np.random.PCG64(1)).standard_normal(2, dtype=np.float32)
digest(copy.copy(x)), digest(copy.deepcopy(x)), x.tolist()[0], x.tobytes()[:4], x.item(3)
pickle.dumps(x) == pickle.dumps(pickle.loads(pickle.dumps(x)))
np.c_[x, np.ones(4)], np.r_[1:4, 0, 4], np.mgrid[0:2, 0:2], np.ix_([0], [1]), np.s_[1:2], np.meshgrid([1, 2], [3])
np.vectorize(lambda v: v + 1)(x[0]), np.apply_along_axis(lambda r: r.sum(), 1, x), np.fromfunction(lambda i, j: i + j, (2, 2))
np.add.reduce(x), np.multiply.outer([1, 2], x[0]), np.add.accumulate(x[0]), np.maximum.reduceat(x[0], [0, 2])
np.ma.masked_array(x, x > 0).sum(), np.matrix([[1, 2], [3, 4]]) * np.eye(2), type(np.asmatrix(x)).__name__
np.array([s, s]), np.array([x[0], x[1]]).shape, np.array(3.0) + 1, np.float64(3) * x[0], [1, 2, 3, 4, 5] - x[0]
(f * 2.5).dtype, (f * s).dtype, np.result_type(x, f), np.iscomplexobj(x), (x + 1j)[0], np.shape(x), np.finfo(x.dtype).eps
np.array2string(x, precision=2), f"{x[0]}", "%s" % x, format(np.arange(3))
np.unique([3, 1, 1], return_counts=True), np.histogram(x, 3), np.fft.fft(x[0])
np.cov(x), np.lib.stride_tricks.sliding_window_view(x[0], 2)
3 in x, np.array_equal(x, x), np.allclose(x, x + 1e-12), (x == x).all(), bool(x[0, 0]), float(x[0, 0]), int(x[0, 0])
memoryview(w).shape, x.ctypes.data != 0, np.zeros(3, dtype=[("a", "f8")])["a"]
np.__name__, str(np), np.sum.__name__, np.sum.__module__, np.random.randn is np.random.randn, np.pi, "zeros" in dir(np)
pickle.loads(pickle.dumps(np.sum))([1, 2])
""".strip().splitlines()

MESSAGES = """
x.dot(x)
x + w
x.foo
x()
x + None
x + "a"
bool(x)
float(x)
hash(x)
setattr(x, "foo", 1)
x[9]
x["a"]
np.zeros(-1)
np.dot(x)
np.nope
x.reshape(7)
x.sum(axis=5)
np.concatenate([x, w])
len(np.array(1.0))
iter(np.array(1.0))
np.linalg.inv(x)
operator.iadd(x, np.zeros((2, 2)))
(x.setflags(write=False), operator.isub(x, 1))
s.foo
setattr(s, "foo", 1)
s()
s + "a"
s + None
s[0]
len(s)
pow(s, 2, 3)
json.dumps(q)
""".strip().splitlines()

SCALARS = """
s+1; 1+s; 2**s; s**2; -s; abs(s); +s; s//2; s%2; divmod(s, 2); 3//s; 3%s; s/0; round(s, 3); round(s); int(s); float(s)
bool(s); s>0; s==s; s.dtype; s.T; s.real; s.astype(np.float32); np.sqrt(abs(s)); s+np.float32(1); s*np.int64(3)
max(s, 0); sum([s, s]); s.shape; s.ndim; s.item(); s.mean(); s.sum(); s.copy(); s.view(); np.array(s); s.reshape(1)
np.float64(s); np.float32(s); s[()]; s.any(); s.clip(0, 1); s.squeeze(); s.tobytes(); hash(s); s.is_integer()
s.conj(); np.asarray(s); np.ones(3)*s; s.nbytes; s.__array__(); s.as_integer_ratio(); complex(s); s+1j; s*'a'; s&1
s<np.ones(2); s==None; np.ones(2)-s; [1, 2]*s; s*[1, 2]; s**np.ones(2); isinstance(s, float); str(type(s)); s@s
format(s, '.3'); '%d' % s; f"{s:.3e}"; np.isscalar(s); np.add(s, s); np.maximum(s, 0); np.where(True, s, 0)
np.full(2, s); np.linspace(0, s, 3); np.result_type(s, np.float32); np.log(abs(s)); np.dot(s, s); np.mean([s, s])
np.isfinite(s); s+True; s-np.float16(1); s*np.longdouble(2); s+2**70; 0/(s-s); s.tolist(); s.__reduce__()
json.dumps(float(s)); pickle.dumps(s); type(pickle.loads(pickle.dumps(s))); copy.copy(s); isinstance(s, np.floating)
str(s.__class__); {s: 1}[s]; str(s); repr(s); np.float64 is type(np.float64(1)); s.max(); np.array([s], dtype=object)
""".replace("\n", ";")


def answers(scripts, expressions: list[str], *, taped: bool) -> list[object]:
    text = (
        SETUP
        + "with np.errstate(all='ignore'):\n    answers = [\n"
        + "".join(f"        show(lambda: ({e})),\n" for e in expressions)
        + "    ]\n"
    )
    ran = scripts.taped(text) if taped else scripts.plain(text)
    assert ran.error is None
    if taped:
        assert ran.sink.notes == []
    return ran.names["answers"]


@pytest.mark.parametrize("kind", ["arrays", "messages", "float64", "float32"])
def test_everything_is_as_without_a_tape(scripts, kind):
    scalars = [part.strip() for part in SCALARS.split(";") if part.strip()]
    expressions = {
        "arrays": ARRAYS,
        "messages": MESSAGES,
        "float64": scalars,
        "float32": [f"(lambda s: {part})(q)" for part in scalars],
    }[kind]
    plain, taped = answers(scripts, expressions, taped=False), answers(scripts, expressions, taped=True)
    assert len(plain) == len(expressions)
    for expression, expected, found in zip(expressions, plain, taped, strict=True):
        assert (expression, found) == (expression, expected)


WAYS = [
    "np.zeros(3)",
    "np.array([1.0, 2, 3])",
    "np.linspace(0, 1, 3)",
    "np.random.randn(3)",
    "np.random.RandomState(1).rand(3)",
    "np.random.default_rng(1).normal(size=3)",
    "np.random.Generator(np.random.PCG64(1)).random(3)",
    "np.random.default_rng(np.random.default_rng(1)).random(3)",
    "np.load(file)",
    "np.load(archive)['a']",
    "np.frombuffer(bytes(24))",
    "np.c_[[1.0, 2, 3]][:, 0]",
    "np.fft.fftfreq(3)",
    "np.linalg.norm([[1.0], [2.0], [3.0]], axis=1)",
    "default_rng(1).random(3)",
    "zeros(3)",
    "npr.rand(3)",
    "numpy.random.rand(3)",
    "inner()",
]
IMPORTS = """
import io
import numpy as np, numpy.random, numpy.random as npr
from numpy import *
from numpy.random import default_rng
def inner():
    import numpy as inside
    return inside.ones(3)
file, archive = io.BytesIO(), io.BytesIO()
np.save(file, np.ones(3))
np.savez(archive, a=np.ones(3))
file.seek(0), archive.seek(0)
"""


@pytest.mark.parametrize("way", WAYS)
def test_every_way_of_making_an_array_is_on_the_tape(scripts, way):
    ran = scripts.taped(IMPORTS + f"a = {way}\nb = a * 2\n")
    assert [line for line in lines(ran.traces[-1]) if "multiply" in line] == ["forward multiply(a) -> b"]


def test_reductions_are_scalars_and_never_arrays(scripts):
    made = "x.sum(), x.mean(), np.max(x), x[0, 0], x.astype('f4').sum(), x.dot(x).trace(), x[0].dot(x[1])"
    ran = scripts.taped(f"import numpy as np\nx = np.ones((2, 2))\nr = [{made}]")
    assert [isinstance(r, np.float64 | np.float32) and not isinstance(r, np.ndarray) for r in ran.names["r"]] == [True] * 7


def test_what_is_pickled_is_plain(scripts):
    ran = scripts.taped("import numpy as np, pickle\ndata = pickle.dumps([np.ones(2), np.ones(2).sum()])")
    assert [type(part) for part in pickle.loads(ran.names["data"])] == [np.ndarray, np.float64]


def test_warnings_come_from_the_line_of_the_script(scripts):
    text = "import numpy as np\nx = np.zeros(2)\ny = 1 / x\nfor i in range(3):\n    z = np.log(x)\n"
    path = scripts.write("script.py", text)
    command = (
        "import runpy, sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]);"
        "from gradwalk.numpy_tape import install; from conftest import Collecting;"
        "install(Collecting(), Path(sys.argv[1]).parent) if sys.argv[3] == 'tape' else 0;"
        "runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    here = str(__file__).rpartition("/")[0]
    ran = [
        subprocess.run([sys.executable, "-c", command, str(path), here, mode], capture_output=True, text=True, check=True)
        for mode in ("plain", "tape")
    ]
    assert ran[0].stderr == ran[1].stderr
    assert ran[0].stderr.count("RuntimeWarning") == 2


def test_a_script_may_resize_its_arrays(scripts):
    text = "import numpy as np\na = np.arange(4.0)\na.resize(2, 3)\nb = a.copy()\na.resize(2)\nprint(a, a.sum(), b)\n"
    assert scripts.taped(text).out == scripts.plain(text).out


def test_subclasses_and_other_array_likes_keep_their_ways(scripts):
    text = """
import numpy as np
class Sub(np.ndarray):
    pass
class Refuses:
    __array_ufunc__ = None
    def __radd__(self, other):
        return "mine"
class Takes:
    def __array_ufunc__(self, ufunc, method, *inputs, **named):
        return ufunc.__name__, method, len(inputs)
x = np.ones(3)
sub = x.view(Sub)
print(type(sub).__name__, type(x + sub).__name__, type(sub * 2).__name__, type(np.concatenate([x, sub])).__name__)
print(x + Refuses(), x.sum() + Refuses(), x * Takes(), np.add(Takes(), x), repr(sub))
"""
    assert scripts.taped(text).out == scripts.plain(text).out


def test_two_tapes_after_each_other(scripts):
    first = scripts.taped("import numpy as np\na = np.ones(2) * 2")
    second = scripts.taped("import numpy as np\na = np.ones(2) * 2")
    assert [lines(trace) for trace in first.traces] == [lines(trace) for trace in second.traces]


def test_installing_again_takes_the_first_tape_off(tmp_path):
    sinks = Collecting(), Collecting()
    first, second = install(sinks[0], tmp_path), install(sinks[1], tmp_path)
    second.close()
    first.close()
    assert [sink.notes for sink in sinks] == [[], []]
