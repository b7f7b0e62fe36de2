"""How many of the op events of the trainings that Gradwalk is tested with have a NumPy formula by their name.

``python benchmarks/reference_coverage.py [--check]``. The trainings are those of ``workloads.py`` and the whole models of
``tests/harmless/test_whole_models.py``. Counted are the ops of the forward and the loss of the last recorded step; an update has
no gradient to check. Ops that make a tensor of arguments alone (``arange``, ``ones``) have no input and are not counted either.
With ``--check`` each of the whole models is also trained in float32, and in bfloat16 and float16 under autocast, and every op of
its last step is checked. The exit code is 1 where all together have less than 95 %, or where a check accuses an op.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch
from workloads import WORKLOADS

import gradwalk
from gradwalk.reference.registry import formula_of
from gradwalk.reference.whole import check_step
from gradwalk.trace import Graph, Trace

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "harmless"))
import test_whole_models as whole

AIM = 0.95
PRECISIONS: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "float32": nullcontext,
    "bfloat16": partial(torch.autocast, "cpu", torch.bfloat16),
    "float16": partial(torch.autocast, "cpu", torch.float16),
}


def last_step(program: Callable[[], object], level: str = "structure") -> Trace:
    """The last recorded step of a training, with what it keeps of tensors."""
    with tempfile.TemporaryDirectory() as folder:
        with gradwalk.record(Path(folder) / "run", level=level):  # type: ignore[arg-type]
            program()
        with gradwalk.open_recording(Path(folder) / "run") as recording:
            trace = recording[len(recording) - 1]
            return replace(trace, tensors=dict(trace.tensors.items()))


def ops_of(graph: Graph) -> Counter[str]:
    """How often each op ran in the forward."""
    return Counter(op.name for op in graph.ops if op.phase in ("forward", "loss") and op.inputs)


def told(name: str, ops: Counter[str]) -> Counter[str]:
    """Print the line of a training and, below it, its ops without a formula; these with their counts."""
    missing = Counter({op: count for op, count in ops.items() if formula_of(op) is None})
    print(f"{name:32s} {1 - missing.total() / ops.total():6.1%} of {ops.total()} op events")
    for op, count in missing.most_common():
        print(f"    no formula: {op} ({count})")
    return missing


def under(cast: Callable[[], AbstractContextManager[object]]) -> Callable[..., Any]:
    """What makes a whole model, its forward in a context."""
    plain = whole.made

    def made(*words: Any, **settings: Any) -> Any:
        model = plain(*words, **settings)
        forward = model.forward

        @wraps(forward)
        def casting(*inputs: Any, **named: Any) -> Any:
            with cast():
                return forward(*inputs, **named)

        model.forward = casting
        return model

    return made


def accused(program: Callable[[], object]) -> int:
    """Check the last step of a whole model in each precision; how many ops do not agree."""
    wrong = 0
    for precision, cast in PRECISIONS.items():
        torch.manual_seed(0)
        with patch.object(whole, "made", under(cast)):
            found = check_step(last_step(program, "tensors"))
        agree = sum(verdict.agrees is True for verdict in found.verdicts.values())
        wrong += len(found.wrong)
        print(f"    {precision:9s} {agree} of {len(found.verdicts)} ops agree, {len(found.wrong)} do not")
    return wrong


def main() -> int:
    """Print a line per training, and the sum."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    events, missing, wrong = 0, Counter[str](), 0
    for name in WORKLOADS:
        ops = ops_of(last_step(WORKLOADS[name][0]().step).graph)
        missing += told(name, ops)
        events += ops.total()
    for row in whole.TABLE:
        ops = ops_of(last_step(row.program).graph)
        missing += told(row.name, ops)
        events += ops.total()
        wrong += accused(row.program) if chosen.check else 0
    share = 1 - missing.total() / events
    print(f"{'all together':32s} {share:6.1%} of {events} op events" + (f"; {wrong} ops accused" if chosen.check else ""))
    return int(share < AIM or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
