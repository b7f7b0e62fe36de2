"""Which quantity of one flow is which of another: matched from the leaves and the loss along the ops, names left aside.

1. The losses are matched, and leaves that alone are used in one way. 2. What the same op makes of matched inputs is matched; what
the same op makes a matched quantity of is matched by its place among the inputs. 3. Where this comes to no more, less sure ways
are taken, one after the other (:data:`WAYS`), and each is followed by 2.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import TypeAlias

from ..trace import NONE
from .flow import Flow, Quantity
from .spelling import COMMUTATIVE

Looks: TypeAlias = Callable[[Quantity], Hashable]
"""What a leaf's elements look like, or None where that is not known."""
WAYS = ("used so", "used here", "shape", "elements", "any size", "same place", "order")
"""From surest to least sure: leaves by how they are used, three ops on and one op on; by shape; by their elements; then anything
of another size; ops of another kind between matched quantities; and the order in which equal ones come."""
_DEPTHS = {"used so": 3, "used here": 1, "shape": 0}


def pairs(one: Flow, other: Flow, looks: tuple[Looks, Looks] | None = None) -> dict[int, int]:
    """Per quantity of one flow that has a match the quantity of the other."""
    pairing = _Pairing(one, other)
    for way in WAYS:
        pairing.go(way, looks)
    pairing.match_contributions()
    return {here: there for here, there in enumerate(pairing.there) if there != NONE}


class _Pairing:
    """``there`` holds per quantity of the first flow its match in the second, ``here`` the other way round."""

    def __init__(self, one: Flow, other: Flow) -> None:
        self.one, self.other = one, other
        self.there, self.here = [NONE] * len(one.quantities), [NONE] * len(other.quantities)
        self.way = ""
        self._ahead: deque[int] = deque()
        self._back: deque[int] = deque()

    def go(self, way: str, looks: tuple[Looks, Looks] | None) -> None:
        """Match what can be matched in one more way."""
        first, self.way = not self.way, way
        if first:
            for loss, other in zip(self.one.losses, self.other.losses, strict=False):
                self._pair(loss, other)
        self._ahead.extend(number for number, match in enumerate(self.there) if match != NONE)
        self._back.extend(self._ahead)
        if way in _DEPTHS:
            depth = _DEPTHS[way]
            self._match_leaves(_use_signatures(self.one, depth).__getitem__, _use_signatures(self.other, depth).__getitem__)
        elif way == "elements" and looks is not None:
            mine, theirs = looks
            self._match_leaves(
                lambda number: mine(self.one.quantities[number]), lambda number: theirs(self.other.quantities[number])
            )
        elif way == "order":
            uses = _use_signatures(self.one, 1), _use_signatures(self.other, 1)
            self._match_leaves(uses[0].__getitem__, uses[1].__getitem__)
        self._spread()

    def match_contributions(self) -> None:
        """Gradients that meet, by the op through which they came."""
        for of, found in self.one.contributions.items():
            theirs = {
                (self.other.quantities[number].via, self.other.quantities[number].backward): number
                for number in self.other.contributions.get(self.there[of], ())
            }
            for number in found:
                quantity = self.one.quantities[number]
                via = self.there[quantity.via] if quantity.via != NONE else NONE
                if via != NONE and (via, quantity.backward) in theirs:
                    self._pair(number, theirs.pop((via, quantity.backward)))

    # Pairs

    def _pair(self, mine: int, theirs: int) -> None:
        if self.there[mine] != NONE or self.here[theirs] != NONE:
            return
        self.there[mine], self.here[theirs] = theirs, mine
        self._ahead.append(mine)
        self._back.append(mine)
        for grad, other in zip(self.one.gradients.get(mine, ()), self.other.gradients.get(theirs, ()), strict=False):
            self._pair(grad, other)
        new, other_new = self.one.updated.get(mine, NONE), self.other.updated.get(theirs, NONE)
        if new != NONE and other_new != NONE:
            self._pair(new, other_new)

    def _spread(self) -> None:
        """Along the ops in both directions; what follows from matched inputs is surer and comes first."""
        while self._ahead or self._back:
            if self._ahead:
                self._match_users(self._ahead.popleft())
            else:
                self._match_inputs(self._back.popleft())

    def _match_users(self, mine: int) -> None:
        theirs = self.there[mine]
        candidates: dict[Hashable, list[int]] = defaultdict(list)
        for user, _ in dict.fromkeys(self.other.uses[theirs]):
            key = self._key(self.other, user, self.here, lambda number: self.here[number])
            if key is not None and user not in candidates[key]:
                candidates[key].append(user)
        if not candidates:
            return
        asking: dict[Hashable, list[int]] = defaultdict(list)
        for user, _ in self.one.uses[mine]:
            key = self._key(self.one, user, self.there, lambda number: number)
            if key in candidates and user not in asking[key]:
                asking[key].append(user)
        for key, users in asking.items():
            known = key[0] if isinstance(key, tuple) else True
            if known or len(users) == len(candidates[key]) == 1:
                for one, other in zip(users, candidates[key], strict=False):
                    self._pair(one, other)

    def _key(self, flow: Flow, user: int, matches: Sequence[int], name: Callable[[int], int]) -> Hashable:
        """What an op makes of what, with matched inputs by one name in both flows; None where an input is not matched.

        Leaves that are not matched yet may stand among the inputs: then the key begins with False.
        """
        made = flow.quantities[user]
        if matches[user] != NONE or not made.op:
            return None
        strict = self.way not in WAYS[4:]
        terms: list[Hashable] = []
        known = True
        for read in made.inputs:
            leaf = flow.quantities[read]
            if matches[read] != NONE:
                terms.append(name(read))
            elif not leaf.inputs and leaf.kind == "value":
                known = False
                terms.append((leaf.op, leaf.learns, leaf.shape if strict else len(leaf.shape)))
            else:
                return None
        if made.op in COMMUTATIVE:
            terms.sort(key=repr)
        return known, made.op, made.said if strict else (), *terms

    def _match_inputs(self, mine: int) -> None:
        theirs = self.there[mine]
        one, other = self.one.quantities[mine], self.other.quantities[theirs]
        if not one.op or one.op != other.op or len(one.inputs) != len(other.inputs):
            return
        if one.op in COMMUTATIVE:
            self._match_either_way(one.inputs, other.inputs)
            return
        for a, b in zip(one.inputs, other.inputs, strict=True):
            self._try(a, b)

    def _match_either_way(self, mine: Sequence[int], theirs: Sequence[int]) -> None:
        """The inputs of an op whose inputs may change places: those that alone are of a kind, and the two that are left."""
        left = [a for a in mine if self.there[a] == NONE]
        right = [b for b in theirs if self.here[b] == NONE]
        kinds = _by_kind(self.one, left), _by_kind(self.other, right)
        for kind, found in kinds[0].items():
            match = kinds[1].get(kind, [])
            if len(found) == len(match) and (len(found) == 1 or self.way == "order"):
                for a, b in zip(found, match, strict=True):
                    self._try(a, b)
        left = [a for a in left if self.there[a] == NONE]
        right = [b for b in right if self.here[b] == NONE]
        if len(left) == len(right) == 1:
            self._try(left[0], right[0])

    def _try(self, mine: int, theirs: int) -> None:
        """Match two inputs that stand at the same place of the same op, unless it shows that they are not the same."""
        if self.there[mine] != NONE or self.here[theirs] != NONE:
            return
        one, other = self.one.quantities[mine], self.other.quantities[theirs]
        sized = one.shape == other.shape or (self.way in WAYS[4:] and len(one.shape) == len(other.shape))
        alike = one.op == other.op and one.learns == other.learns and (one.kind == "gradient") == (other.kind == "gradient")
        if sized and (alike or (self.way in WAYS[5:] and self._between_matches(one, other))):
            self._pair(mine, theirs)

    def _between_matches(self, one: Quantity, other: Quantity) -> bool:
        """Whether two ops read matched quantities, whatever they make of them."""
        made = one.op and other.op and one.shape == other.shape
        return bool(made) and {self.there[number] for number in one.inputs} == set(other.inputs)

    # Leaves

    def _match_leaves(self, mine: Callable[[int], Hashable], theirs: Callable[[int], Hashable]) -> None:
        """Leaves that alone in their flow are so; in the last way those that are so in equal numbers, in their order."""
        left, right = _leaves_by(self.one, self.there, mine), _leaves_by(self.other, self.here, theirs)
        for key, found in left.items():
            match = right.get(key, [])
            if len(found) == len(match) and (len(found) == 1 or self.way == "order"):
                for a, b in zip(found, match, strict=True):
                    self._pair(a, b)


def _by_kind(flow: Flow, numbers: Sequence[int]) -> dict[Hashable, list[int]]:
    """Quantities by what can be seen of each alone."""
    found: dict[Hashable, list[int]] = defaultdict(list)
    for number in dict.fromkeys(numbers):
        quantity = flow.quantities[number]
        found[quantity.op, quantity.learns, quantity.shape].append(number)
    return found


def _leaves_by(flow: Flow, matches: Sequence[int], of: Callable[[int], Hashable]) -> dict[Hashable, list[int]]:
    found: dict[Hashable, list[int]] = defaultdict(list)
    for number, quantity in enumerate(flow.quantities):
        if matches[number] == NONE and quantity.kind == "value" and not quantity.inputs:
            key = of(number)
            if key is not None:
                found[quantity.op, quantity.learns, quantity.shape, key].append(number)
    return found


def _use_signatures(flow: Flow, depth: int) -> list[Hashable]:
    """Per quantity what is made of it, so many ops on."""
    signatures: list[Hashable] = [0] * len(flow.quantities)
    for _ in range(depth):
        signatures = [hash(tuple(sorted(_used(flow, number, signatures)))) for number in range(len(flow.quantities))]
    return signatures


def _used(flow: Flow, number: int, signatures: Sequence[Hashable]) -> Iterator[tuple[str, int, Hashable]]:
    for user, place in flow.uses[number]:
        op = flow.quantities[user].op
        yield op, 0 if op in COMMUTATIVE else place, signatures[user]
