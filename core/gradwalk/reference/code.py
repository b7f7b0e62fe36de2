"""The code of a formula as it stands in this package, to be shown beside its result: its registration and what that calls."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache
from importlib import import_module
from textwrap import dedent

from .registry import THEMES, Formula


@lru_cache(maxsize=128)
def code_of(formula: Formula) -> str:
    """The statement that registers the formula, below the functions that it names; an empty string without a source file."""
    for theme in THEMES:
        text, tree = _module(theme)
        call = next((node for node in tree.body if _registers(node, formula.op)), None)
        if call is not None:
            parts = [*_functions(tree, call), call]
            return "\n\n\n".join(ast.get_source_segment(text, part) or "" for part in parts)
    return _of_functions(formula)


@lru_cache(maxsize=len(THEMES))
def _module(theme: str) -> tuple[str, ast.Module]:
    """The text of a module of formulas, and what it says; both empty without a source file."""
    try:
        text = inspect.getsource(import_module(f"{__package__}.{theme}"))
    except (OSError, TypeError):
        text = ""
    return text, ast.parse(text)


def _registers(node: ast.stmt, op: str) -> bool:
    """Whether a statement is a call whose first argument names the op: ``register("mm matmul", ...)``."""
    if not isinstance(node, ast.Expr) or not isinstance(node.value, ast.Call) or not node.value.args:
        return False
    first = node.value.args[0]
    return isinstance(first, ast.Constant) and isinstance(first.value, str) and op in first.value.split()


def _functions(tree: ast.Module, call: ast.stmt) -> list[ast.FunctionDef]:
    """The functions of the module that a statement uses, and those that they use, as they stand; not what registers."""
    known = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert isinstance(call, ast.Expr)
    assert isinstance(call.value, ast.Call)
    pending: list[ast.AST] = [*call.value.args, *call.value.keywords]
    used: set[str] = set()
    while pending:
        for node in ast.walk(pending.pop()):
            if isinstance(node, ast.Name) and node.id in known and node.id not in used:
                used.add(node.id)
                pending.append(known[node.id])
    return [node for name, node in known.items() if name in used]


def _of_functions(formula: Formula) -> str:
    """The functions themselves, of a formula that is registered in a loop."""
    found: dict[str, None] = {}
    for function in (formula.compute, *formula.vjps.values()):
        if inspect.isfunction(function):
            try:
                found[dedent(inspect.getsource(function)).strip()] = None
            except OSError:
                continue
    return "\n\n\n".join(found)
