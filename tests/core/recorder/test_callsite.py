"""The exact sub-expression of a call, and the variable that its result goes to."""

from __future__ import annotations

import sys

import pytest

from gradwalk.callsite import CallSite, call_of_frame, names_for, site_of_frame, variable_of_frame

seen: list[CallSite] = []


class Thing:
    """Notes where it is used."""

    def note(self, *args: object, **kwargs: object) -> Thing:
        seen.append(call_of_frame(sys._getframe(1)))
        return self

    __add__ = __radd__ = __iadd__ = __neg__ = __getitem__ = __call__ = note

    @property
    def T(self) -> Thing:
        seen.append(call_of_frame(sys._getframe(1)))
        return self


@pytest.fixture(autouse=True)
def _forget() -> None:
    seen.clear()


def expressions() -> list[str]:
    return [call.site.expression for call in seen]


def test_sub_expressions_of_one_line():
    x, w = Thing(), Thing()
    y = x.note(w).note(min=0).note(w)
    assert expressions() == ["x.note(w)", "x.note(w).note(min=0)", "x.note(w).note(min=0).note(w)"]
    assert [call.variable for call in seen] == ["", "", "y"]
    assert y is x


def test_operators_items_and_attributes():
    a, b = Thing(), Thing()
    c = a + b
    a += b
    d = -a
    e = a[0]
    f = a.T
    assert expressions() == ["a + b", "a += b", "-a", "a[0]", "a.T"]
    assert [call.variable for call in seen] == ["c", "a", "d", "e", "f"]
    assert [call.operands for call in seen] == [("a", "b"), ("a", "b"), ("a",), ("a", ""), ("a",)]
    assert (c, d, e, f) == (a, a, a, a)


def test_targets():
    class Self:
        pass

    self, x, items = Self(), Thing(), {}
    self.h = x.note()
    items["k"] = x.note()
    p, q = x.note(), x.note()
    (r := x.note())
    s: Thing = x.note()
    t = u = x.note()
    [x.note()]
    assert [call.variable for call in seen] == ["self.h", "items['k']", "p", "q", "r", "s", "u", ""]
    assert p is q is r is s is t is u


def test_a_call_over_several_lines_and_letters_beyond_ascii():
    größe = Thing()
    größe.note(
        1,
        größe,
    )
    ä = größe.note() + größe
    assert expressions() == ["größe.note(\n        1,\n        größe,\n    )", "größe.note()", "größe.note() + größe"]
    first, second = seen[0].site, seen[1].site
    assert (first.end_line - first.line, second.column) == (3, 8)
    assert ä is größe


def test_names_of_arguments():
    x, w, rest = Thing(), Thing(), [1, 2]
    x.note(w, 3)
    x(w, x.T)
    x.note(*rest)
    x.note(w, dim=w)
    method, call, starred, keyword = (seen[i] for i in (0, 2, 3, 4))
    assert names_for(method, 3) == ("x", "w", "")
    assert names_for(method, 2) == ("w", "")
    assert (names_for(call, 2), call.callee) == (("w", "x.T"), "x")
    assert names_for(starred, 3) == ("", "", "")
    assert keyword.keywords == (("dim", "w"),)


def test_code_without_a_source_has_its_line_only():
    namespace = {"seen": seen, "call": call_of_frame, "sys": sys}
    exec(compile("def f():\n    return call(sys._getframe(0))\nseen.append(f())", "<made up>", "exec"), namespace)
    assert (seen[0].site.line, seen[0].site.expression, seen[0].variable) == (2, "", "")


def test_the_two_short_forms():
    def here() -> tuple[str, str]:
        frame = sys._getframe(1)
        return site_of_frame(frame).expression, variable_of_frame(frame)

    result = here()
    assert result == ("here()", "result")
