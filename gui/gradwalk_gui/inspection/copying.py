"""A tensor as NumPy code and as a ``.npy`` file. No Qt."""

from __future__ import annotations

import io
import keyword
import re

import numpy as np
from numpy.typing import NDArray

from gradwalk.trace import Kept

from ..numbers import shape_text

MOST = 100_000
"""Elements up to which a tensor is written as code."""
LINE = 120


def name_for(label: str) -> str:
    """A label as a Python name: ``dL/dy_pred`` is ``dL_dy_pred``."""
    name = re.sub(r"\W+", "_", label).strip("_") or "tensor"
    return f"{name}_" if keyword.iskeyword(name) or name[0].isdigit() else name


def file_name(label: str, step: int) -> str:
    """A file name for a tensor of a step: ``dL_dy_pred-step12.npy``."""
    return f"{name_for(label)[:80]}-step{step}.npy"


def numpy_code(kept: Kept, label: str) -> str:
    """Code that makes the array again, every element exact. Raises ValueError, with the sentence, for too many elements."""
    if kept.data.size > MOST:
        raise ValueError(f"{kept.data.size:,} elements are too many to be copied as code (at most {MOST:,}); save them as .npy.")
    dtype = kept.data.dtype.name
    text = f"import numpy as np\n\n{name_for(label)} = np.array({_rows(kept.data, 4)}, dtype=np.{_dtype(dtype)})"
    if kept.data.size == 0:
        text = f"import numpy as np\n\n{name_for(label)} = np.zeros({kept.data.shape}, dtype=np.{_dtype(dtype)})"
    return "\n".join([*_remarks(kept), text]) + "\n"


def npy_bytes(kept: Kept) -> bytes:
    """The array as a ``.npy`` file. Raises ValueError for what would have to be pickled."""
    file = io.BytesIO()
    np.save(file, kept.data, allow_pickle=False)
    return file.getvalue()


def said_of_saved(kept: Kept, path: str) -> str:
    """What there is to say about a saved array: that it is a sample, or of another dtype."""
    remarks = " ".join(remark.removeprefix("# ") for remark in _remarks(kept))
    return f"Saved to {path}. {remarks}".strip()


def _remarks(kept: Kept) -> list[str]:
    remarks = []
    if not kept.complete:
        remarks.append(f"# An evenly spaced sample of {kept.data.size:,} elements of {shape_text(kept.shape)}.")
    if kept.dtype != kept.data.dtype.name:
        remarks.append(f"# {kept.dtype}, widened to {kept.data.dtype.name}.")
    return remarks


def _dtype(name: str) -> str:
    return "bool_" if name == "bool" else name


def _rows(data: NDArray[np.generic], indent: int) -> str:
    """Nested lists, one line per row of the last axis, wrapped."""
    if data.ndim == 0:
        return _number(data.reshape(1)[0])
    if data.ndim == 1:
        return _wrapped([_number(x) for x in data], indent)
    inner = f",\n{' ' * indent}".join(_rows(part, indent + 4) for part in data)
    return f"[\n{' ' * indent}{inner},\n{' ' * (indent - 4)}]"


def _wrapped(numbers: list[str], indent: int) -> str:
    lines, line = [], ""
    for number in numbers:
        if line and indent + len(line) + len(number) + 2 > LINE:
            lines.append(line)
            line = ""
        line += f"{', ' if line else ''}{number}"
    return "[" + f",\n{' ' * (indent + 1)}".join([*lines, line]) + "]"


def _number(value: np.generic) -> str:
    if value.dtype.kind in "fc" and not np.isfinite(value):
        text = str(value).replace("nan", "np.nan").replace("inf", "np.inf")
        return text if value.dtype.kind == "f" else f"complex({value.real}, {value.imag})".replace("nan", "np.nan")
    return str(value)
