"""The backward: hooks on every Node that it will run.

In order: 1. the one function through which ``backward``, ``autograd.backward`` and ``autograd.grad`` start the engine is wrapped;
2. from the roots, the Nodes are walked and hooked; 3. each Node, when it has run, brings the gradients that it sends on, edge by
edge; 4. AccumulateGrad brings ``.grad``; 5. the hooks are removed. Nothing outlives the backward but numbers.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import FrameType
from typing import Any

import torch
from torch.autograd.graph import GradientEdge, Node

from .engine import EngineRun, begin_run
from .failures import note_failure
from .forward import ForwardMode, _transforming
from .graph_walk import Walk, failing_node, walk
from .hooks import of_tensor, posthooks
from .host import host_array
from .inside import InsideMode, backward_around
from .insist import insist
from .modes import Taken, push, put_back, remove, take_off
from .pending import take_over
from .records import BackwardRecord, EdgeRecord, NodeRecord, OpRecord, Slot
from .saved import SavedTensors
from .scalers import scale_of
from .state import State, clock
from .trail import Arrival, What
from .updates import gradient_slot
from .values import describe, shape_of, version_of


class Run:
    """A backward under way: what has to be at hand until it ends."""

    def __init__(self, found: Walk, record: BackwardRecord) -> None:
        self.walk = found
        self.record = record
        self.last = clock()
        self.mark: Any = None
        """The same place on a device."""
        self.handles: list[Any] = []
        self.fresh: set[int] = set()
        """The leaves (by their Node's place in the walk) that had no gradient before, or one that was zero."""
        self._mode: InsideMode | None = None
        self._taken: Taken = []

    def watch_inside(self, state: State) -> None:
        """What runs inside this backward is looked at from now on, and as nothing else."""
        self._taken = take_off(ForwardMode)
        self._mode = InsideMode(state, self.record)
        push(self._mode)

    def stop_watching(self) -> None:
        """The modes are as before."""
        if self._mode is not None:
            remove(self._mode)
        put_back(self._taken)
        self._mode, self._taken = None, []


class Started:
    """How a backward was started. Two that are alike keep the graph or not, and have no inputs named."""

    __slots__ = ("_plain", "walk")

    def __init__(self, found: Walk | None, args: tuple[Any, ...]) -> None:
        self.walk = found
        keeps, creates, inputs = args[1:4] if len(args) > 3 else (True, True, ())
        self._plain = not (keeps or creates or inputs)

    @property
    def followable(self) -> bool:
        """Whether such a backward can be followed."""
        return self._plain and self.walk is not None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Started) and other._plain == self._plain

    __hash__ = None  # type: ignore[assignment]


class Backward:
    """Wraps the function that runs the engine."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._saved = SavedTensors(state.values)
        self._original: Callable[..., Any] = torch.autograd._engine_run_backward  # type: ignore[attr-defined]
        self._wrapper = self._wrap(self._original)
        torch.autograd._engine_run_backward = self._wrapper  # type: ignore[attr-defined]

    def remove(self) -> None:
        """Take the wrapper away."""
        if torch.autograd._engine_run_backward is self._wrapper:  # type: ignore[attr-defined]
            torch.autograd._engine_run_backward = self._original  # type: ignore[attr-defined]

    def _wrap(self, original: Callable[..., Any]) -> Callable[..., Any]:
        state = self._state

        def run_backward(outputs: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
            thread = state.thread
            if state.off or thread.aside or _transforming():
                return state.rest.backward(original, outputs, *args, **kwargs)
            around = state.guarded(backward_around, state)
            if thread.backwards and around is None:
                return original(outputs, *args, **kwargs)
            frame = sys._getframe(1)
            followed = state.guarded(self._follow, tuple(outputs), args, frame) if around is None else None
            if followed is not None:
                return self._run_followed(followed, outputs, original, args, kwargs)
            state.hold(state.holding.before_loss, tuple(outputs))
            run = state.guarded(self._begin, tuple(outputs), args, frame, around)
            thread.backwards += 1
            before, thread.inside = thread.inside, None if run is None else run.record
            try:
                if run is not None:
                    state.guarded(run.watch_inside, state)
                    state.hold(state.holding.after_loss, run.record, tuple(outputs))
                    run.last = clock()
                result = original(outputs, *args, **kwargs)
            except Exception as error:
                if run is not None and around is None:
                    state.guarded(self._raised, run, error)
                raise
            finally:
                thread.backwards -= 1
                thread.inside = before
                if run is not None:
                    _unhook(run)
                    state.guarded(state.look_ahead)
            if run is not None and result:
                state.guarded(_note_results, state, run, args, result)
            return result

        return run_backward

    # ------------------------------------------------------------------ following

    def _follow(self, outputs: tuple[Any, ...], args: tuple[Any, ...], frame: FrameType | None) -> EngineRun | None:
        """The run of the backward that is expected, if this is it."""
        state = self._state
        follower = state.following()
        if follower is None:
            return None
        item = follower.passes(What.BACKWARD, None, frame, Started(None, args))
        running = follower.running
        run = None
        if item is not None and running is not None and follower.starts(item, outputs):
            run = begin_run(state, running, item, [_root(output) for output in outputs])
        if run is None:
            follower.leave()
        return run

    def _run_followed(
        self, run: EngineRun, outputs: Any, original: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        state = self._state
        begin = clock()
        state.thread.backwards += 1
        try:
            result = original(outputs, *args, **kwargs)
        except Exception as error:
            state.guarded(self._followed_raised, run, error)
            raise
        finally:
            state.thread.backwards -= 1
            run.unhook()
        state.guarded(self._followed_ended, run, begin, clock())
        return result

    def _followed_ended(self, run: EngineRun, begin: float, end: float) -> None:
        follower = self._state.following()
        if run.lost is None and follower is not None and run.ended(begin, end):
            follower.advance(run.item)
            return
        run.lose()
        if run.lost is not None:
            run.lost.ended()

    def _followed_raised(self, run: EngineRun, error: BaseException) -> None:
        run.lose()
        if run.lost is not None:
            note_failure(self._state, error, run.lost.record)

    def _begin(
        self, outputs: tuple[Any, ...], args: tuple[Any, ...], frame: FrameType | None, around: BackwardRecord | None
    ) -> Run | None:
        state = self._state
        state.backward_seen = True
        state.rest.inside_modules = bool(state.thread.calls)
        started = Started(None, args)
        state.arrive(Arrival(What.BACKWARD, None, state.chain_of(frame), detail=started))
        roots = [_root(output) for output in outputs]
        if not roots or any(node is None for node, _ in roots):
            return None  # the engine will say what is wrong
        found = started.walk = walk([node for node, _ in roots if node is not None])
        owners = Owners(state, nested=around is not None)
        losses = [owners.slot_of(output, *root) for output, root in zip(outputs, roots, strict=True)]
        loss = losses[0]
        if loss.measured is None and isinstance(outputs[0], torch.Tensor) and outputs[0].numel() == 1:
            loss.measured = state.statistics.measure(outputs[0], host_array(outputs[0]))
        record = BackwardRecord(state.next_serial(), loss, [], self._nodes(found, owners), begin=clock())
        record.scale, record.unscaled = scale_of(state, loss)
        seeds = args[0] if args else None
        for index, (node, number) in enumerate(roots):
            edge = EdgeRecord(-1, 0, found.index[id(node)], number)
            edge.slot = losses[index]
            if seeds is not None and isinstance(seeds[index], torch.Tensor):
                edge.measured, edge.copied = state.look_at_gradient(seeds[index])
            record.seeds.append(edge)
        if around is None:
            state.trail.note(record)
            state.steps.begin_backward(record, {node.owner.serial for node in record.nodes if node.owner is not None})
        else:
            around.note(record)
        run = Run(found, record)
        self._hook(run)
        return run

    def _nodes(self, found: Walk, owners: Owners) -> list[NodeRecord]:
        nodes = [NodeRecord(name, sequence) for name, sequence in zip(found.names, found.sequences, strict=True)]
        arrivals = [0] * len(nodes)
        for place, leaf in found.leaves.items():
            nodes[place].leaf = slot = self._state.slot_of(leaf)
            slot.graded, slot.hooks = True, of_tensor(leaf)
        for place, node in enumerate(nodes):
            if node.leaf is None:
                node.owner = owners.by_sequence.get(node.sequence)
            else:
                edge = EdgeRecord(place, 0, -1, 0)
                edge.slot = node.leaf
                node.edges.append(edge)
            for number, target, input_nr in found.edges[place]:
                edge = EdgeRecord(place, number, target, input_nr)
                edge.slot = nodes[target].leaf or owners.slots.get((nodes[target].sequence, input_nr))
                node.edges.append(edge)
                arrivals[target] += 1
                nodes[target].arriving = edge if arrivals[target] == 1 else None
        self._saved.read(found.nodes, nodes)
        if self._state.gate.armed:
            take_over(nodes)
        return nodes

    def _hook(self, run: Run) -> None:
        armed = self._state.gate.armed
        for place, node in enumerate(run.walk.nodes):
            handle = node.register_hook(partial(self._after_node, run, place))
            run.handles.append(handle)
            run.record.nodes[place].hooks += posthooks(handle)
            if armed:
                run.handles.append(node.register_prehook(partial(self._before_node, run, place)))
        for place, leaf in run.walk.leaves.items():
            before = None if leaf.grad is None else self._state.values.find(leaf.grad)
            if leaf.grad is None or (before is not None and before.zeroed):
                run.fresh.add(place)
        run.last = clock()
        if self._state.timer is not None:
            run.mark = self._state.timer.mark()

    def _before_node(self, run: Run, place: int, _arrived: tuple[Any, ...]) -> None:
        state = self._state
        if state.gate.armed and state.thread.inside in (None, run.record):
            state.hold(state.holding.before_node, run.record, place)
            run.last = clock()

    def _after_node(self, run: Run, place: int, grad_inputs: tuple[Any, ...], grad_outputs: tuple[Any, ...]) -> None:
        now, timer, inside = clock(), self._state.timer, self._state.thread.inside
        if inside is not None and inside is not run.record:
            return  # another backward, which began inside this one, runs this Node
        if timer is not None:
            timing = self._state.guarded(timer.since, run.mark)
            if timing is not None:
                run.record.timings.append((len(run.record.ran), timing))
        run.record.ran.append((place, run.last, now))
        self._state.guarded(self._note_node, run, place, grad_inputs, grad_outputs)
        self._state.hold(self._state.holding.after_node, run.record, place, grad_inputs)
        run.last = clock()
        if timer is not None:
            run.mark = self._state.guarded(timer.mark)

    def _note_node(self, run: Run, place: int, grad_inputs: tuple[Any, ...], grad_outputs: tuple[Any, ...]) -> None:
        state, node = self._state, run.record.nodes[place]
        if node.leaf is not None:
            self._note_accumulated(run, place, node)
            return
        for edge in node.edges:
            gradient = grad_inputs[edge.output] if edge.output < len(grad_inputs) else None
            if gradient is None:
                edge.none = True
            else:
                if edge.slot is None:
                    edge.shape = shape_of(gradient)
                if state.looking:
                    self._look(edge, gradient, node.arriving, grad_outputs)

    def _look(self, edge: EdgeRecord, gradient: torch.Tensor, arriving: EdgeRecord | None, taken: tuple[Any, ...]) -> None:
        """Measure and copy a gradient, unless the Node passes on the one that came to it.

        What came is compared by its ``id``, so it must be among what the Node took: one that a hook of the user's replaced is
        gone, and its ``id`` is another's.
        """
        edge.seen = (id(gradient), version_of(gradient))
        if arriving is not None and arriving.seen == edge.seen and any([gradient is one for one in taken]):  # noqa: C419
            edge.measured, edge.copied = arriving.measured, arriving.copied
        else:
            edge.measured, edge.copied = self._state.look_at_gradient(gradient)

    def _note_accumulated(self, run: Run, place: int, node: NodeRecord) -> None:
        """A leaf's ``.grad``; where it was not there before and one gradient came, that one has been measured already."""
        state, leaf, edge, arriving = self._state, run.walk.leaves[place], node.edges[0], node.arriving
        gradient = leaf.grad
        if gradient is None or (arriving is not None and arriving.none):
            edge.none = arriving is None or arriving.none
            if not edge.none and arriving is not None:  # the user's hook has used it and dropped it
                edge.measured, edge.copied = arriving.measured, arriving.copied
            return
        if arriving is not None and place in run.fresh and not leaf._backward_hooks:
            edge.measured, edge.copied = arriving.measured, state.copy_of(gradient)
        else:
            edge.measured, edge.copied = state.look_at_gradient(gradient)
        slot = gradient_slot(state, leaf, gradient)
        slot.serial = run.record.serial
        state.take_over(slot, edge.measured, edge.copied)

    def _raised(self, run: Run, error: BaseException) -> None:
        failed = failing_node(run.walk, [place for place, _, _ in run.record.ran])
        if failed >= 0:
            run.record.ran.append((failed, run.last, clock()))
        note_failure(self._state, error, run.record)


class Owners:
    """Which op of the open step made a Node, by the range of sequence numbers that were given out while it ran."""

    def __init__(self, state: State, *, nested: bool) -> None:
        self._state = state
        self.slots: dict[tuple[int, int], Slot] = {}
        """The Values that Nodes made: by sequence number and output number."""
        self.by_sequence: dict[int, OpRecord] = {}
        forward, inside = state.steps.graph_records(), state.steps.inner_graph_records()
        for record in (*inside, *forward) if nested else (*forward, *inside):
            for key, slot in zip(record.keys, record.outputs, strict=False):
                self.slots.setdefault(key, slot)
            for sequence in range(record.first_sequence, record.last_sequence):
                self.by_sequence.setdefault(sequence, record)  # the ops inside an op come before it

    def slot_of(self, output: Any, node: Node | None, number: int) -> Slot:
        """The Value of a root."""
        if isinstance(output, torch.Tensor):
            return self._state.slot_of(output)
        slot = self.slots.get((node._sequence_nr(), number)) if node is not None else None
        return slot if slot is not None else Slot((), "", "", True, False)


def _root(output: Any) -> tuple[Node | None, int]:
    """The Node at which a backward starts, and which of its outputs."""
    if isinstance(output, GradientEdge):
        return output.node, output.output_nr
    if output.grad_fn is not None:
        return output.grad_fn, output.output_nr
    if not output.requires_grad:
        return None, 0
    edge = torch.autograd.graph.get_gradient_edge(output)
    return edge.node, edge.output_nr


def _note_results(state: State, run: Run, args: tuple[Any, ...], result: Sequence[Any]) -> None:
    """What ``autograd.grad`` returned: gradients of its inputs."""
    inputs = args[3] if len(args) > 3 else ()
    for index, gradient in enumerate(result):
        if isinstance(gradient, torch.Tensor) and state.values.before(gradient) is None:
            slot = state.values.put(gradient, describe(gradient))
            slot.serial = run.record.serial
            if index < len(inputs) and isinstance(inputs[index], torch.Tensor):
                slot.gradient_of = state.slot_of(inputs[index])
            state.observe(slot, gradient)


def _unhook(run: Run) -> None:
    """Take the hooks away, whatever has happened."""
    insist(run.stop_watching)
    with contextlib.suppress(Exception):
        for handle in run.handles:
            handle.remove()
        run.handles.clear()
        run.walk.clear()
