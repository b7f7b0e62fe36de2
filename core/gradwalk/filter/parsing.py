"""From text to a filter, by the grammar of ``grammar.lark``; what cannot be read is one sentence with its place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, cast

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from .syntax import Call, Comparison, Condition, Either, Every, Filter, Without, Word
from .vocabulary import FUNCTIONS, Function

LONGEST, DEEPEST = 10_000, 50


class FilterError(ValueError):
    """A filter that cannot be read: ``message`` is one sentence, ``position`` and ``end`` the characters that it is about."""

    def __init__(self, message: str, position: int, end: int) -> None:
        super().__init__(f"{message} (at character {position + 1})")
        self.message, self.position, self.end = message, position, max(end, position + 1)


def parse(text: str) -> Filter:
    """The filter that a text says; an empty one matches everything. Raises FilterError and nothing else."""
    if not text.strip():  # what the window starts with: the parser need not be made for it
        return Every(())
    if len(text) > LONGEST:
        raise FilterError(f"a filter has at most {LONGEST:,} characters, this one has {len(text):,}", LONGEST, len(text))
    try:
        return cast(Filter, parser().parse(text))
    except UnexpectedToken as error:
        raise _unexpected(text, error, error.accepts or error.expected) from None
    except UnexpectedCharacters as error:
        raise _unexpected(text, error, error.allowed or ()) from None


@lru_cache(maxsize=1)
def parser() -> Lark:
    """The parser of the grammar (LALR; made once)."""
    return Lark.open("grammar.lark", rel_to=__file__, parser="lalr", transformer=_Maker())


@v_args(inline=True)
class _Maker(Transformer[Token, Filter]):
    """Makes the filter while the text is read, innermost first; nothing here recurses."""

    def __init__(self) -> None:
        super().__init__()

    def alternatives(self, *sides: Filter) -> Filter:
        flat = [one for side in sides for one in (side.of if isinstance(side, Either) else (side,))]
        return _checked(Either(tuple(flat)) if len(flat) > 1 else flat[0])

    def terms(self, *terms: Filter) -> Filter:
        flat = [one for term in terms for one in (term.of if isinstance(term, Every) else (term,))]
        return Every(tuple(flat)) if len(flat) > 1 else flat[0]

    def without(self, asked: Filter) -> Filter:
        return asked.of if isinstance(asked, Without) else Without(asked)

    def group(self, asked: Filter) -> Filter:
        return asked

    def word(self, token: Token) -> Filter:
        return Word(str(token))

    def quoted(self, token: Token) -> Filter:
        return Word(token[1:-1])

    def pattern(self, token: Token) -> tuple[Token, str]:
        return token, str(token)

    def quoted_pattern(self, token: Token) -> tuple[Token, str]:
        return token, token[1:-1]

    def condition(self, field: Token, comparison: Token, number: Token) -> tuple[Token, Condition]:
        compared = "=" if comparison == "==" else str(comparison)
        return field, Condition(str(field), cast(Comparison, compared), float(number))

    def call(self, name: Token, *arguments: tuple[Token, str | Condition] | None) -> Filter:
        function = FUNCTIONS.get(name[1:])
        if function is None:
            raise _about(name, f"{name} is no function of filters{_meant(name, [f'${one}' for one in FUNCTIONS])}")
        given = [argument for argument in arguments if argument is not None]
        for token, argument in given:
            _check(function, token, argument)
        patterns = tuple(argument for _, argument in given if isinstance(argument, str))
        return Call(function.name, patterns, tuple(argument for _, argument in given if isinstance(argument, Condition)))


def _check(function: Function, token: Token, argument: str | Condition) -> None:
    """Raises FilterError where an argument is none that the function takes."""
    if function.takes == "nothing":
        raise _about(token, f"${function.name}() takes nothing between its parentheses")
    if isinstance(argument, Condition):
        if function.takes == "texts":
            raise _about(token, f"${function.name}() takes names, not conditions")
        if argument.field not in function.fields:
            raise _about(token, f"${function.name}() has no {argument.field}{_meant(argument.field, function.fields)}")
    elif function.takes == "conditions":
        raise _about(token, f"${function.name}() takes conditions such as {function.fields[0]}>1000")
    elif function.words and argument.lower() not in function.words:
        raise _about(token, f"{argument} is no {function.name}{_meant(argument, function.words)}")


def _checked(asked: Filter, depth: int = 0) -> Filter:
    """The filter, if it is not too deep to be walked through."""
    if depth > DEEPEST:
        raise FilterError(f"a filter is at most {DEEPEST} levels deep", 0, 1)
    inner: Iterable[Filter] = ()
    if isinstance(asked, Every | Either):
        inner = asked.of
    elif isinstance(asked, Without):
        inner = (asked.of,)
    for one in inner:
        _checked(one, depth + 1)
    return asked


def _about(token: Token, message: str) -> FilterError:
    start = token.start_pos or 0
    return FilterError(message, start, start + len(token))


def _meant(word: str, known: Iterable[str]) -> str:
    known = list(known)
    near = difflib.get_close_matches(word.lower(), known, 1)
    return f"; did you mean {near[0]}?" if near else f"; it is one of {', '.join(known)}"


_NEXT = {
    "COMPARISON": "a comparison such as <",
    "NUMBER": "a number",
    "RPAR": "a closing parenthesis",
    "WORD": "a name or a $function",
    "LPAR": "an opening parenthesis",
    "PATTERN": "a name or a condition",
}


def _unexpected(text: str, error: UnexpectedInput, allowed: Iterable[str]) -> FilterError:
    expected = set(allowed)
    wanted = next((words for name, words in _NEXT.items() if name in expected), "the end")
    position = error.pos_in_stream if error.pos_in_stream is not None else len(text)
    token: Any = getattr(error, "token", None)
    if position < 0 or (token is not None and token.type == "$END"):
        return FilterError(f"{wanted} is missing at the end", len(text), len(text) + 1)
    found = str(token) if token is not None else text[position]
    if found == '"':
        return FilterError("the quotation mark is not closed", position, len(text))
    if found == ")" and "$END" in expected:
        return FilterError("this parenthesis closes nothing", position, position + 1)
    return FilterError(f"{wanted} is expected here, not {found}", position, position + len(found))
