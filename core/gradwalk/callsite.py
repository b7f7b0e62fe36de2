"""Where a call stands in the source: its exact sub-expression, the variable that its result is assigned to, its operands.

Shared by the recorder of torch programs and the NumPy tape; knows neither. The ``executing`` package finds the syntax tree's
node of the instruction that a frame is at; what is found is cached per (code object, instruction).
"""

from __future__ import annotations

import ast
import linecache
from dataclasses import dataclass
from types import CodeType, FrameType

import executing

from .trace import Frame, Site

_CACHE_LIMIT = 50_000


@dataclass(frozen=True, slots=True)
class CallSite:
    """What the source says of one call.

    ``variable`` is the target that the result is assigned to (``a, b`` for a tuple target) or an empty string. ``operands`` are
    the positional ones in order, each a dotted name or an empty string for anything else; ``receiver`` is what a method is called
    on, ``callee`` what stands before the parentheses (empty for an operator). ``starred``: the operands cannot be counted.
    """

    site: Site
    variable: str = ""
    receiver: str = ""
    operands: tuple[str, ...] = ()
    keywords: tuple[tuple[str, str], ...] = ()
    starred: bool = False
    callee: str = ""
    is_method: bool = False


_cache: dict[tuple[int, int], tuple[CodeType, CallSite]] = {}


def call_of_frame(frame: FrameType) -> CallSite:
    """The call that a frame is at. The code object is kept alive, so that its ``id`` stays its own."""
    code = frame.f_code
    key = (id(code), frame.f_lasti)
    found = _cache.get(key)
    if found is None:
        if len(_cache) >= _CACHE_LIMIT:
            _cache.clear()
        found = _cache[key] = (code, _look(frame))
    return found[1]


def site_of_frame(frame: FrameType) -> Site:
    """The call site that a frame is at, without a stack."""
    return call_of_frame(frame).site


def variable_of_frame(frame: FrameType) -> str:
    """The name that the result of the call is assigned to, or an empty string."""
    return call_of_frame(frame).variable


def frame_of(frame: FrameType) -> Frame:
    """A Python frame as the record keeps it."""
    return Frame(frame.f_code.co_filename, frame.f_lineno, function_of(frame.f_code))


def function_of(code: CodeType) -> str:
    """The name of a function, with its class where Python tells (3.11 and later)."""
    return str(getattr(code, "co_qualname", code.co_name))


def source_text(file: str) -> str:
    """The text of a source file as Python saw it, or an empty string."""
    return "".join(linecache.getlines(file))


def names_for(call: CallSite, arguments: int) -> tuple[str, ...]:
    """The names of the ``arguments`` positional arguments of the function that was called; empty strings where unknown.

    A method's function takes one argument more than stand in the parentheses: its receiver.
    """
    if not call.starred:
        if len(call.operands) == arguments:
            return call.operands
        if len(call.operands) + 1 == arguments and call.is_method:
            return (call.receiver, *call.operands)
    return ("",) * arguments


def _look(frame: FrameType) -> CallSite:
    node = _node_of(frame)
    code = frame.f_code
    if node is None:
        return CallSite(_line_site(code, frame.f_lineno))
    return _describe(_statement_of_target(node), code)


def _node_of(frame: FrameType) -> ast.AST | None:
    try:
        return executing.Source.executing(frame).node
    except Exception:  # a source that cannot be read or parsed leaves the line alone
        return None


def _statement_of_target(node: ast.AST) -> ast.AST:
    """``w.grad = None`` for the ``w.grad`` that is assigned to."""
    parent = getattr(node, "parent", None)
    is_target = isinstance(getattr(node, "ctx", None), ast.Store | ast.Del)
    return parent if is_target and isinstance(parent, ast.Assign | ast.AugAssign | ast.Delete) else node


def _line_site(code: CodeType, line: int) -> Site:
    text = linecache.getline(code.co_filename, line).rstrip("\n")
    expression = text.strip()
    column = len(text) - len(text.lstrip())
    return Site(code.co_filename, line, line, column, column + len(expression), expression, function_of(code))


def _describe(node: ast.AST, code: CodeType) -> CallSite:
    site = _exact_site(node, code)
    if isinstance(node, ast.Call):
        keywords = tuple((word.arg, dotted(word.value)) for word in node.keywords if word.arg)
        return CallSite(
            site,
            _target(node),
            receiver=dotted(node.func.value) if isinstance(node.func, ast.Attribute) else "",
            operands=tuple(map(dotted, node.args)),
            keywords=keywords,
            starred=any(isinstance(part, ast.Starred) for part in node.args),
            callee=dotted(node.func),
            is_method=isinstance(node.func, ast.Attribute),
        )
    return CallSite(site, _target(node), operands=tuple(map(dotted, _operands(node))))


def _operands(node: ast.AST) -> tuple[ast.AST, ...]:
    if isinstance(node, ast.BinOp):
        return node.left, node.right
    if isinstance(node, ast.AugAssign):
        return node.target, node.value
    if isinstance(node, ast.Compare):
        return node.left, node.comparators[0]
    if isinstance(node, ast.Subscript):
        return node.value, node.slice
    if isinstance(node, ast.Attribute):
        return (node.value,)
    return (node.operand,) if isinstance(node, ast.UnaryOp) else ()


def dotted(node: ast.AST) -> str:
    """``x``, ``self.w`` or ``w.grad`` for a plain name with attributes, else an empty string."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(attributes)]) if isinstance(node, ast.Name) else ""


def _exact_site(node: ast.AST, code: CodeType) -> Site:
    first, last = int(getattr(node, "lineno", 1)), int(getattr(node, "end_lineno", 1))
    lines = [linecache.getline(code.co_filename, line).rstrip("\r\n") for line in range(first, last + 1)]
    begin = _characters(lines[0], int(getattr(node, "col_offset", 0)))
    end = _characters(lines[-1], int(getattr(node, "end_col_offset", 0)))
    lines[-1] = lines[-1][:end]
    lines[0] = lines[0][begin:]
    expression = "\n".join(lines)
    return Site(code.co_filename, first, last, begin, end, expression, function_of(code))


def _characters(line: str, utf8: int) -> int:
    """A column in characters from one in UTF-8 bytes."""
    return utf8 if line.isascii() else len(line.encode()[:utf8].decode(errors="replace"))


def _target(node: ast.AST) -> str:
    if isinstance(node, ast.AugAssign):
        return _target_text(node.target)
    parent = getattr(node, "parent", None)
    if isinstance(parent, ast.Assign) and parent.value is node:
        return _target_text(parent.targets[-1])
    if isinstance(parent, ast.AnnAssign | ast.NamedExpr) and parent.value is node:
        return _target_text(parent.target)
    return _target_in_tuple(node, parent) if isinstance(parent, ast.Tuple) else ""


def _target_in_tuple(node: ast.AST, values: ast.Tuple) -> str:
    """The ``b`` of ``a, b = f(x), g(x)`` for ``g(x)``."""
    statement = getattr(values, "parent", None)
    if not isinstance(statement, ast.Assign) or statement.value is not values:
        return ""
    targets = statement.targets[-1]
    if not isinstance(targets, ast.Tuple) or len(targets.elts) != len(values.elts):
        return ""
    return _target_text(targets.elts[next(i for i, value in enumerate(values.elts) if value is node)])


def _target_text(target: ast.AST) -> str:
    if isinstance(target, ast.Tuple | ast.List):
        return ", ".join(_target_text(part) for part in target.elts)
    return ast.unparse(target)
