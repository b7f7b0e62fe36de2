"""A picture under construction: cards, lanes between them, and which card stands for which thing. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from gradwalk.tape import Index, index
from gradwalk.trace import NONE, Edge, Graph

from .folds import Folds
from .parts import Card, Lane, Picture

Pair = tuple[int, int]


@dataclass(slots=True)
class Contents:
    """What was put into a card; ``cells`` has the Nodes by folded call, ``skipped`` the ops that are only views."""

    ops: list[int] = field(default_factory=list)
    nodes: list[int] = field(default_factory=list)
    skipped: list[int] = field(default_factory=list)
    cells: dict[int, list[int]] = field(default_factory=dict)


@dataclass(slots=True)
class Draft:
    """Cards and lanes as they come; ``modules`` holds per card the module call that it lies in.

    Ops and Nodes are collected beside the cards until ``close_cards``: a folded module has thousands.
    """

    graph: Graph
    folds: Folds
    skip_views: bool = False
    cards: list[Card] = field(default_factory=list)
    modules: list[int] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    card_of_op: dict[int, int] = field(default_factory=dict)
    card_of_value: dict[int, int] = field(default_factory=dict)
    card_of_node: dict[int, int] = field(default_factory=dict)
    card_of_module: dict[int, int] = field(default_factory=dict)
    lane_of_pair: dict[Pair, list[int]] = field(default_factory=dict)
    contents: dict[int, Contents] = field(default_factory=dict)
    index: Index = field(init=False)

    def __post_init__(self) -> None:
        self.index = index(self.graph)

    def add_card(self, card: Card, module: int = NONE) -> int:
        """Add a card that lies in a module call; returns its index."""
        self.cards.append(card)
        self.modules.append(module)
        return len(self.cards) - 1

    def module_card(self, module: int) -> int:
        """The card of the folded call, or the stack, that a module call is drawn in; made where it is not there yet."""
        call = self.folds.of(module)
        if call not in self.card_of_module:
            self.card_of_module[call] = self.add_card(module_card(self.graph, call, self.folds), self.graph.modules[call].parent)
        return self.card_of_module[call]

    def put(self, place: int, ops: Iterable[int] = (), nodes: Sequence[int] = (), module: int = NONE) -> None:
        """Put ops and Nodes into a card; of a stack's card into the cell of the call that holds ``module``."""
        contents = self.contents.get(place)
        if contents is None:
            contents = self.contents[place] = Contents()
        contents.ops += ops
        contents.nodes += nodes
        if nodes:
            contents.cells.setdefault(self.folds.cells[module], []).extend(nodes)

    def close_cards(self) -> None:
        """Give the cards what was put into them."""
        for place, contents in self.contents.items():
            card = self.cards[place]
            stack = self.folds.stacks.get(card.ref, ()) if card.kind == "module" else ()
            self.cards[place] = replace(
                card,
                ops=(*card.ops, *contents.ops),
                nodes=(*card.nodes, *contents.nodes),
                values=self._made_last(card, contents),
                skipped=tuple(contents.skipped),
                strip=tuple(tuple(contents.cells.get(call, ())) for call in stack),
            )
        self.contents.clear()

    def _made_last(self, card: Card, contents: Contents) -> tuple[int, ...]:
        """The Values whose shape a card shows: of a module what its last op made."""
        if card.kind != "module":
            return card.values
        skipped = set(contents.skipped)
        last = next((op for op in reversed(contents.ops) if op not in skipped), NONE)
        return self.graph.ops[last].outputs if last != NONE else card.values

    def add_lane(self, lane: Lane) -> int:
        """Add a lane; returns its index."""
        self.lanes.append(lane)
        place = len(self.lanes) - 1
        self.lane_of_pair.setdefault((lane.source, lane.target), []).append(place)
        return place

    def give_back(self, lane: int, edge: int) -> None:
        """Let a gradient come back along a lane."""
        self.lanes[lane] = replace(self.lanes[lane], edges=(*self.lanes[lane].edges, edge))

    def lane_for(self, source: int, target: int, edge: Edge) -> int:
        """The lane between two cards that an edge's gradient comes back on; a new one, without a forward, where there is none.

        Of several lanes for one Value (an op that reads it twice), each takes one edge of a backward before any takes two.
        """
        pair = self.lane_of_pair.get((source, target), [])
        fitting = [lane for lane in pair if self.lanes[lane].value == edge.value] or pair
        if not fitting:
            return self.add_lane(Lane(source, target, edge.value, forward=False))
        return min(fitting, key=lambda lane: sum(self.graph.edges[e].backward == edge.backward for e in self.lanes[lane].edges))


def keep_halves(picture: Picture) -> Picture:
    """The picture with only the halves, and the cards and lanes, that its ``halves`` asks for."""
    if picture.halves == "both":
        return picture
    if picture.halves == "forward":
        cards = [replace(card, backward=False, meets=()) for card in picture.cards]
        keep = [card.kind != "node" for card in picture.cards]
        lanes = [replace(lane, edges=(), nodes=()) for lane in picture.lanes if lane.forward]
    else:
        cards = [card if card.kind in ("loss", "knot") else replace(card, forward=False) for card in picture.cards]
        keep = [bool(card.nodes) or card.kind == "loss" or (card.kind == "tensor" and card.backward) for card in picture.cards]
        lanes = [replace(lane, forward=False) for lane in picture.lanes if lane.edges]
    return only(replace(picture, cards=tuple(cards), lanes=tuple(lanes)), keep)


def only(picture: Picture, keep: Sequence[bool]) -> Picture:
    """The picture with some of its cards, and the lanes between them."""
    place = {old: new for new, old in enumerate(i for i, kept in enumerate(keep) if kept)}
    lanes = tuple(
        replace(lane, source=place[lane.source], target=place[lane.target])
        for lane in picture.lanes
        if lane.source in place and lane.target in place
    )
    return replace(picture, cards=tuple(picture.cards[i] for i in place), lanes=lanes)


def module_card(graph: Graph, call: int, folds: Folds) -> Card:
    """The card of a folded module call, or of a stack, still without its ops."""
    module, stack = graph.modules[call], folds.stacks.get(call, ())
    title = module.name or module.kind
    if stack:
        title = f"{common_name(graph, stack)} × {len(stack)}"
    return Card("module", call, title, module.kind if module.name else "", category="linear")


def common_name(graph: Graph, calls: Sequence[int]) -> str:
    """What the names of some calls have in common (``layer`` of ``layer.0``, ``layer.1`` ...), else their class."""
    names = {graph.modules[call].name.rpartition(".")[0] for call in calls}
    name = names.pop()
    return name if name and not names else graph.modules[calls[0]].kind
