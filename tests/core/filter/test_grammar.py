"""The filter grammar: what it reads, what it says of what it cannot read, and what may come next."""

from __future__ import annotations

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradwalk.filter import FilterError, complete, parse, text_of
from gradwalk.filter.syntax import Call, Condition, Either, Every, Without, Word
from gradwalk.filter.vocabulary import FUNCTIONS
from gradwalk.sample import sample_trace

SCREEN = "+linear -view $phase(bwd) $module(encoder.*) $grad(rms<1e-7) $nan() $saved(bytes>1e6) $src(model.py)"


def test_the_filter_of_the_specification():
    assert parse(SCREEN) == Every(
        (
            Word("linear"),
            Without(Word("view")),
            Call("phase", ("bwd",)),
            Call("module", ("encoder.*",)),
            Call("grad", conditions=(Condition("rms", "<", 1e-7),)),
            Call("nan"),
            Call("saved", conditions=(Condition("bytes", ">", 1e6),)),
            Call("src", ("model.py",)),
        )
    )


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("", Every(())),
        ("  mm ", Word("mm")),
        ("+mm", Word("mm")),
        ("--mm", None),
        ("-(-mm)", Word("mm")),
        ('"a word"', Word("a word")),
        ("a b | c", Either((Every((Word("a"), Word("b"))), Word("c")))),
        ("a (b | c)", Every((Word("a"), Either((Word("b"), Word("c")))))),
        (
            "$grad(rms == -.5e3, max<=inf)",
            Call("grad", (), (Condition("rms", "=", -500.0), Condition("max", "<=", math.inf))),
        ),
        ('$module(encoder, "a b")', Call("module", ("encoder", "a b"))),
    ],
)
def test_what_it_reads(text, meant):
    if meant is None:
        with pytest.raises(FilterError):
            parse(text)
    else:
        assert parse(text) == meant


@pytest.mark.parametrize(
    ("text", "said", "position"),
    [
        ("mm $grda(rms>1)", "$grda is no function of filters; did you mean $grad?", 3),
        ("$grad(rmx>1)", "$grad() has no rmx; did you mean rms?", 6),
        ("$grad(rms>)", "a number is expected here, not )", 10),
        ("$grad(rms>1", "a closing parenthesis is missing at the end", 11),
        ("$grad(big)", "$grad() takes conditions such as rms>1000", 6),
        ("$phase(rms>1)", "$phase() takes names, not conditions", 7),
        ("$phase(sideways)", "sideways is no phase; it is one of forward, fwd, loss, backward, bwd, update, opt", 7),
        ("$nan(3)", "$nan() takes nothing between its parentheses", 5),
        ("mm)", "this parenthesis closes nothing", 2),
        ('mm "open', "the quotation mark is not closed", 3),
        ("a || b", "a name or a $function is expected here, not |", 3),
        ("-", "a name or a $function is missing at the end", 1),
        ("$nan", "an opening parenthesis is missing at the end", 4),
        ("(" * 60 + "a" + " b | c)" * 60, "a filter is at most 50 levels deep", 0),
        ("a" * 10_001, "a filter has at most 10,000 characters, this one has 10,001", 10_000),
    ],
)
def test_what_cannot_be_read_is_one_sentence_with_its_place(text, said, position):
    with pytest.raises(FilterError) as caught:
        parse(text)
    assert (caught.value.message, caught.value.position) == (said, position)
    assert str(caught.value) == f"{said} (at character {position + 1})"
    assert caught.value.end > position


NAMES = st.text(st.characters(exclude_characters='"', exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.floats(allow_nan=False)


def calls_of(function):
    if function.takes == "texts":
        texts = st.sampled_from(function.words) if function.words else NAMES
        return st.builds(lambda some: Call(function.name, tuple(some)), st.lists(texts, max_size=3))
    conditions = st.builds(
        Condition, st.sampled_from(function.fields or ("",)), st.sampled_from(["<", "<=", ">", ">=", "=", "!="]), NUMBERS
    )
    few = st.lists(conditions, max_size=3 if function.fields else 0)
    return st.builds(lambda some: Call(function.name, (), tuple(some)), few)


ATOMS = st.builds(Word, NAMES) | st.one_of([calls_of(function) for function in FUNCTIONS.values()])


def flat(kind, parts):
    """Sides of an ``Either`` (terms of an ``Every``) in the form that the parser gives: never one inside another of its kind."""
    listed = [inner for part in parts for inner in (part.of if isinstance(part, kind) else (part,))]
    return kind(tuple(listed)) if len(listed) > 1 else listed[0]


FILTERS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda of: of.of if isinstance(of, Without) else Without(of), inner),
        st.builds(lambda parts: flat(Every, parts), st.lists(inner, min_size=1, max_size=4)),
        st.builds(lambda parts: flat(Either, parts), st.lists(inner, min_size=1, max_size=4)),
    ),
    max_leaves=12,
)


@given(FILTERS)
def test_a_printed_filter_reads_back_as_itself(asked):
    assert parse(text_of(asked)) == asked


@given(st.text(max_size=60) | st.text('$grad()|<>=1e-7 ,."+-rms*phase', max_size=60))
def test_any_text_is_read_or_refused_and_completed(text):
    with suppress(FilterError):
        asked = parse(text)
        assert parse(text_of(asked)) == asked
    for found in complete(text, len(text)):
        assert 0 <= found.start <= found.end == len(text)


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        ("$gr", ["$grad("]),
        ("mm $na", ["$nan()"]),
        ("clam", ["ClampBackward1", "clamp"]),
        ("-Mm", ["MmBackward0", "mm"]),
        ("$grad(r", ["rms"]),
        ("$saved(", ["bytes", "tensors"]),
        ("$time(m", ["ms"]),
        ("$phase(b", ["backward", "bwd"]),
        ("$src(", ["sample.py"]),
        ("$op(cl", ["ClampBackward1", "clamp"]),
        ("$grad(rms<1 ", [")"]),
        ("$grad(rms", []),
        ("$nope(r", []),
        (")", []),
    ],
)
def test_completion(text, offered):
    found = complete(text, len(text), sample_trace().graph)
    assert [one.text for one in found] == offered
    if found and found[0].text == "rms":
        assert (found[0].start, found[0].end, found[0].meaning) == (6, 7, "root mean square")


def test_every_function_is_offered_at_the_start():
    assert [one.text.strip("$()") for one in complete("", 0)] == list(FUNCTIONS)
