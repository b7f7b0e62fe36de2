"""Where in the script an op was called: found once per chain of call sites, then looked up."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from types import CodeType, FrameType, FunctionType
from typing import Any

import executing

from ..callsite import frame_of, site_of_frame, variable_of_frame
from ..trace import Site
from .own import Own, is_ours

_OWN, _OURS, _OTHER = range(3)
_DEEPEST = 32
_LIMIT = 50_000
TRAMPOLINE = "<gradwalk>"


@dataclass(slots=True, eq=False)
class Place:
    """A call site of the script with the calls that led to it.

    ``operands`` are the names of the positional operands (a method's receiver first), empty strings for what has none.
    ``depth`` counts the script's functions around the site, ``statement`` is equal for
    places of one statement. ``direct`` is False where another module's code stands between the script and NumPy. ``call`` calls a
    function as if from the script's own line, so that warnings say the same as without a tape.
    """

    site: Site
    variable: str
    operands: tuple[str, ...]
    statement: tuple[object, ...]
    depth: int
    direct: bool
    reuses: bool
    """Whether the statement that gives the result a name may read that name too."""
    call: Callable[[Any, Any, Any], Any]
    codes: tuple[CodeType, ...]
    """Kept alive, so that their ``id`` stays their own."""


class Places:
    """The places that were seen."""

    def __init__(self, own: Own) -> None:
        self._own = own
        self._places: dict[tuple[int, ...], Place] = {}
        self._files: dict[str, int] = {}

    def of(self, frame: FrameType | None) -> Place | None:
        """The script's place that led to ``frame``, or None where no code of the script did."""
        key: list[int] = []
        frames: list[FrameType] = []
        direct = True
        while frame is not None and len(frames) < _DEEPEST:
            code = frame.f_code
            kind = self._files.get(code.co_filename)
            if kind is None:
                kind = self._files[code.co_filename] = self._kind(frame)
            if kind == _OWN and code.co_name != TRAMPOLINE:
                frames.append(frame)
                key += (id(code), frame.f_lasti)
                if code.co_name == "<module>" and frame.f_globals.get("__name__") == "__main__":
                    break
            elif kind == _OTHER and not frames:
                direct = False
            frame = frame.f_back
        return self._place((direct, *key), frames, direct) if frames else None

    def _kind(self, frame: FrameType) -> int:
        file = frame.f_code.co_filename
        if self._own.file(file) or self._is_main(frame):
            return _OWN
        return _OURS if is_ours(file) else _OTHER

    def _is_main(self, frame: FrameType) -> bool:
        """Whether this is code of the script itself, wherever its file is."""
        code, namespace = frame.f_code, frame.f_globals
        return (
            namespace.get("__name__") == "__main__"
            and self._own.module(namespace)
            and code.co_filename == namespace.get("__file__")
        )

    def _place(self, key: tuple[int, ...], frames: list[FrameType], direct: bool) -> Place:
        place = self._places.get(key)
        if place is None:
            if len(self._places) >= _LIMIT:
                self._places.clear()
            place = self._places[key] = _look(frames, direct)
        return place


def _look(frames: list[FrameType], direct: bool) -> Place:
    innermost = frames[0]
    node = _node_of(innermost)
    site = replace(site_of_frame(innermost), stack=tuple(frame_of(frame) for frame in reversed(frames)))
    operands = _operands(node) if direct else ()
    variable = _variable(node, frames) if direct else ""
    return Place(
        site=site,
        variable=variable,
        operands=operands,
        statement=(id(innermost.f_code), *_lines(node, innermost)),
        depth=len(frames),
        direct=direct,
        reuses=_reuses(node, variable),
        call=trampoline(innermost),
        codes=tuple(frame.f_code for frame in frames),
    )


def _node_of(frame: FrameType) -> ast.AST | None:
    try:
        return executing.Source.executing(frame).node
    except Exception:  # a source that cannot be read or parsed: then no names are known
        return None


def _variable(node: ast.AST | None, frames: list[FrameType]) -> str:
    """The name that a result is given: by the statement, by a dict's key, or by the caller of a function that returns it."""
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        return text_of(node.value) if isinstance(getattr(node, "parent", None), ast.Assign) else ""
    found = variable_of_frame(frames[0])
    if found or node is None:
        return found
    parent = getattr(node, "parent", None)
    if isinstance(parent, ast.Dict):
        return _key_in(parent, node)
    if isinstance(parent, ast.Return) and len(frames) > 1:
        return _variable(_node_of(frames[1]), frames[1:])
    return ""


def _key_in(values: ast.Dict, node: ast.AST) -> str:
    key = next(key for key, value in zip(values.keys, values.values, strict=True) if value is node)
    statement = getattr(values, "parent", None)
    if not isinstance(key, ast.Constant):
        return ""
    if isinstance(statement, ast.Assign) and isinstance(statement.targets[-1], ast.Name):
        return f"{statement.targets[-1].id}[{key.value!r}]"
    return str(key.value)


def _reuses(node: ast.AST | None, variable: str) -> bool:
    statement = _statement_of(node)
    if statement is None or not variable:
        return False
    if isinstance(statement, ast.AugAssign | ast.Return):
        return True
    return any(
        text_of(part) == variable and isinstance(part.ctx, ast.Load) for part in ast.walk(statement) if hasattr(part, "ctx")
    )


def _statement_of(node: ast.AST | None) -> ast.stmt | None:
    while node is not None and not isinstance(node, ast.stmt):
        node = getattr(node, "parent", None)
    return node


def _operands(node: ast.AST | None) -> tuple[str, ...]:
    if isinstance(node, ast.Call):
        receiver = (text_of(node.func.value),) if isinstance(node.func, ast.Attribute) else ()
        arguments = () if any(isinstance(part, ast.Starred) for part in node.args) else tuple(map(text_of, node.args))
        return receiver + arguments
    return tuple(map(text_of, _parts(node)))


def _parts(node: ast.AST | None) -> tuple[ast.AST, ...]:
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.AugAssign):
        return node.target, node.value
    if isinstance(node, ast.Compare):
        return node.left, node.comparators[0]
    if isinstance(node, ast.Subscript):
        return (node.value, node.slice, *_stored(node))
    if isinstance(node, ast.Attribute):
        return (node.value,)
    return (node.operand,) if isinstance(node, ast.UnaryOp) else ()


def _stored(node: ast.Subscript) -> tuple[ast.AST, ...]:
    statement = getattr(node, "parent", None)
    return (statement.value,) if isinstance(statement, ast.Assign) and isinstance(node.ctx, ast.Store) else ()


def text_of(node: ast.AST) -> str:
    """``w``, ``self.w``, ``params['w']`` or ``params[k]``; an empty string for anything less plain."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = text_of(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant | ast.Name):
        inner = text_of(node.value)
        return f"{inner}[{ast.unparse(node.slice)}]" if inner else ""
    return ""


def _lines(node: ast.AST | None, frame: FrameType) -> Iterator[int]:
    statement = _statement_of(node)
    if statement is None:
        yield frame.f_lineno
        return
    yield statement.lineno
    yield statement.col_offset


_PLAIN: CodeType = (lambda function, arguments, named: function(*arguments, **named)).__code__


def names_for(place: Place, arguments: int) -> tuple[str, ...]:
    """The names of ``arguments`` positional arguments; a function has no receiver, bar the module that it is taken from."""
    names = place.operands
    if len(names) == arguments:
        return names
    return names[1:] if len(names) == arguments + 1 else ("",) * arguments


def trampoline(frame: FrameType) -> Callable[[Any, Any, Any], Any]:
    """A function that calls another one from the file, the line and the module of a frame, as far as warnings can see."""
    changes: dict[str, Any] = {"co_filename": frame.f_code.co_filename, "co_firstlineno": frame.f_lineno, "co_name": TRAMPOLINE}
    if sys.version_info >= (3, 11):
        changes["co_qualname"] = TRAMPOLINE
    return FunctionType(_PLAIN.replace(**changes), frame.f_globals, TRAMPOLINE)
