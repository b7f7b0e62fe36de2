"""What the app shows, as frozen data: what is open, where the playhead is, what is selected and how the graph is drawn. No Qt.

Only the :class:`~gradwalk_gui.session.Session` makes the next State; ``resolve`` says what a wish comes to.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from gradwalk.gate import Breakpoint
from gradwalk.paths import id_of, path_of
from gradwalk.scales import unscaled
from gradwalk.tape import event_at
from gradwalk.trace import NONE, Event, Kept, TensorKey, Trace
from gradwalk.watches import ON

from . import showing
from .alerts import NOTHING, AlertRow, Alerts
from .chains import Chained
from .held import Held
from .probes import Probe
from .verdicts import NO_VERDICTS, Checked, Verdicts, verdicts_of

Thing: TypeAlias = Literal["op", "node", "value", "edge", "module"]


class Play(Enum):
    """What moves the playhead."""

    PAUSED = "paused"
    PLAYING = "playing"
    FOLLOWING = "following"


@dataclass(frozen=True, slots=True)
class Selection:
    """One thing of the Graph, by its id."""

    kind: Thing
    id: int


@dataclass(frozen=True, slots=True)
class View:
    """How the graph is shown; changes of it can be undone."""

    mode: Literal["ops", "tensors"] = "ops"
    halves: Literal["both", "forward", "backward"] = "both"
    flow: Literal["right", "down"] = "right"
    measure: Literal["rms", "norm", "max", "zeros", "update", "bad"] = "rms"
    folded: frozenset[str] = frozenset()
    """Paths of the module calls that are drawn as one card."""
    auto_fold: bool = True
    """``folded`` is chosen for each structure so that at most about 80 cards show."""
    stacked: bool = True
    """Equal module calls that follow each other are one card while they are folded, but for the stacks in ``opened``."""
    opened: frozenset[str] = frozenset()
    """Paths of the first calls of the stacks that are drawn call by call."""
    skip_views: bool = True
    """Views and reshapes of an op's result are part of the edge that leads on from it."""
    root: str = ""
    """Path of the module that is looked into; "" for the whole graph."""
    hidden: frozenset[Selection] = frozenset()
    isolated: frozenset[Selection] = frozenset()
    """What alone is shown; everything where it is empty."""
    engine: Literal["ours", "graphviz"] = "ours"


class Steps(Protocol):
    """What the app needs of a recording: a growing, read-only sequence of traces."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Trace: ...

    def losses(self) -> NDArray[np.float64]:
        """The loss of every step, float64 ``[len(self)]``; NaN where a step has none."""

    def source(self, file: str) -> str | None:
        """The text of a source file as it was when recorded, or None."""


BEATS = 200
"""A step of more events than these is not played one by one."""


@dataclass(frozen=True, slots=True)
class State:
    """Everything that the views show. ``step`` is an index into the recording; ``position`` counts the events that have run."""

    recording: Steps | None = None
    length: int = 0
    """How many steps the recording held when last looked at."""
    kept: int = 0
    """How many of them kept tensors."""
    verdict_steps: int = 0
    """How many of them were checked while they ran."""
    step: int = 0
    position: int = 0
    trace: Trace | None = None
    play: Play = Play.PAUSED
    speed: float = 1.0
    loop: bool = False
    loop_range: tuple[int, int] | None = None
    """The positions between which playing loops, where it is not the whole step."""
    breakpoints: tuple[Breakpoint, ...] = ()
    resting: bool = False
    """They are from an earlier start of the app, or the training was detached: they stop the playhead, but hold no training
    before that is asked for.
    """
    held: Held | None = None
    """Where the training (of several ranks the one that is shown) waits, while it does."""
    held_besides: tuple[Held, ...] = ()
    """Where ranks wait that are not shown."""
    fetched: tuple[tuple[TensorKey, Kept], ...] = ()
    """Tensors of the held step that were fetched in full."""
    selection: Selection | None = None
    picked: tuple[Selection, ...] = ()
    """Several things that were selected together; ``selection`` is the first of them."""
    highlight: Literal["", "up", "down"] = ""
    """What alone is not dimmed: all that the selection depends on (up), or all that depends on it (down)."""
    filter: str = ""
    """Which events the list shows, as it was typed (``gradwalk.filter``); what cannot be read filters nothing."""
    view: View = field(default_factory=View)
    theme: Literal["system", "light", "dark"] = "system"
    reduced_motion: bool = False
    log_loss: bool = True
    minimap: bool = True
    """Whether the minimap shows where the graph is larger than its view."""
    probes: tuple[Probe, ...] = ()
    """What is plotted over the training steps."""
    can_undo: bool = False
    can_redo: bool = False
    tensor: TensorKey | None = None
    """Which tensor of what is looked at is looked into; where it is not one of them, the first is."""
    colour_range: float | None = None
    """The absolute value of the strongest colours of tensors, where it is locked; None: each has its own."""
    closed: tuple[str, ...] = ()
    """The sections of the inspector that are closed."""
    frame: tuple[str, int] | None = None
    """A file and a line of it to show in the source instead of the event's, until the playhead or the selection moves."""
    editor: str = ""
    """What opens source files: see ``editors.EDITORS``."""
    ghost: Steps | None = None
    """The run before, where an example was edited and run again: panels show its numbers in grey beside the new ones."""
    beside: tuple[Steps, ...] = ()
    """Other recordings that stand side by side with this one."""
    watches: tuple[str, ...] = ON
    """The kinds of alerts that are looked for."""
    limits: tuple[str, ...] = ()
    """From where on a figure is one, where that is not the default: see ``watch_limits.py``."""
    alerts: Alerts = NOTHING
    """What they have found in the recording up to now."""
    alert: AlertRow | None = None
    """The alert that was gone to, while the playhead stands at it."""
    chains: tuple[Chained, ...] = ()
    """The steps that were computed again in float64."""
    chaining: int = NONE
    """The step that is being computed, or NONE."""
    checked: tuple[Checked, ...] = ()
    """What checks in the window have found, for the steps that were checked last."""
    verdicts: Verdicts = NO_VERDICTS
    """What is known of the ops of this step against the reference."""

    @property
    def events(self) -> int:
        """How many events the step has."""
        return 0 if self.trace is None else len(self.trace.tape)

    @property
    def beat(self) -> int:
        """How many events playing goes on by at once: one, or so many that a long step is through in about 200 beats."""
        return max(math.ceil(self.events / BEATS), 1)

    @property
    def next_event(self) -> Event | None:
        """The event that the playhead stands before."""
        return event_at(self.trace, self.position) if self.trace is not None and self.position < self.events else None

    @property
    def last_event(self) -> Event | None:
        """The event that has just run."""
        return event_at(self.trace, self.position - 1) if self.trace is not None and self.position > 0 else None


END = 2**31 - 1
"""A position past every tape: pulled in to the end of the step."""


def resolve(wish: State, old: State) -> State:
    """The State that a wish comes to: playhead in range, trace looked up, selection kept only while it exists."""
    recording, length = wish.recording, wish.length
    if recording is None or length == 0:
        return replace(
            wish,
            step=0,
            position=0,
            trace=None,
            selection=None,
            picked=(),
            highlight="",
            alerts=NOTHING,
            alert=None,
            checked=(),
            verdicts=NO_VERDICTS,
        )
    step = length - 1 if wish.play is Play.FOLLOWING else max(0, min(wish.step, length - 1))
    same = old.recording is recording and old.step == step and old.trace is not None and old.trace.done
    same = (
        same and old.trace is not None and (wish.kept == old.kept or len(old.trace.tensors) > 0)
    )  # else they may have come since
    same = same and not (wish.verdict_steps != old.verdict_steps and _has_news(recording, step, old.trace))
    trace = old.trace if same else unscaled(recording[step])
    assert trace is not None
    if wish.fetched is not old.fetched and wish.fetched:
        trace = replace(trace, tensors={**trace.tensors, **dict(wish.fetched)})
    position = len(trace.tape) if wish.play is Play.FOLLOWING else max(0, min(wish.position, len(trace.tape)))
    before = old.trace if old.recording is recording and (wish.selection, wish.picked) == (old.selection, old.picked) else None
    selection = _carried(wish.selection, before, trace)
    checked = wish.checked if recording is old.recording else ()
    picked = (_carried(one, before, trace) for one in wish.picked if selection is not None)
    return replace(
        wish,
        step=step,
        trace=trace,
        position=position,
        selection=selection,
        picked=tuple(one for one in picked if one is not None),
        highlight=wish.highlight if selection is not None else "",
        frame=wish.frame if _unmoved(old, recording, (step, position, selection)) else None,
        view=_view_for(wish.view, trace, old),
        alerts=wish.alerts if recording is old.recording else NOTHING,
        loop_range=wish.loop_range if trace.graph.key == (old.trace.graph.key if old.trace is not None else "") else None,
        alert=wish.alert if wish.alert is not None and wish.alert.place == (step, position) else None,
        checked=checked,
        verdicts=old.verdicts if (trace, checked) == (old.trace, old.checked) else verdicts_of(trace, step, checked),
    )


def _has_news(recording: Steps, step: int, trace: Trace | None) -> bool:
    """Whether verdicts on a step have come to the recording since it was read."""
    ask = getattr(recording, "checked_steps", None)
    return trace is not None and not trace.verdicts and ask is not None and bool(np.isin(step, ask()))


def _view_for(view: View, trace: Trace, old: State) -> View:
    """The View of a step; in another structure nothing is hidden, for ids mean other things there."""
    before = old.trace.graph if old.trace is not None else None
    if before is not None and before.key != trace.graph.key and (view.hidden or view.isolated):
        view = replace(view, hidden=frozenset(), isolated=frozenset())
    return view if before is trace.graph else showing.settled(view, trace.graph)


def _unmoved(old: State, recording: Steps, place: tuple[int, int, Selection | None]) -> bool:
    return old.recording is recording and (old.step, old.position, old.selection) == place


def _carried(selection: Selection | None, before: Trace | None, trace: Trace) -> Selection | None:
    """A selection of a step in another one: of another structure the same thing by its path."""
    if selection is None or before is None or before.graph.key == trace.graph.key:
        return still_there(selection, trace)
    thing = id_of(trace.graph, selection.kind, path_of(before.graph, selection.kind, selection.id))
    return Selection(selection.kind, thing) if thing != NONE else None


def still_there(selection: Selection | None, trace: Trace) -> Selection | None:
    """A selection where a step has such a thing, else None."""
    if selection is None:
        return None
    graph = trace.graph
    things: dict[Thing, Sequence[object]] = {
        "op": graph.ops,
        "node": graph.nodes,
        "value": graph.values,
        "edge": graph.edges,
        "module": graph.modules,
    }
    return selection if selection.id < len(things[selection.kind]) else None
