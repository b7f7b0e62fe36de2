"""All cases of all formulas: what is tested in three ways."""

from __future__ import annotations

import formula_cases_arrays
import formula_cases_basic
import formula_cases_elements
import formula_cases_layers
import formula_cases_losses
import formula_cases_nets
from formula_case import Case

PARTS = (
    formula_cases_basic,
    formula_cases_elements,
    formula_cases_arrays,
    formula_cases_layers,
    formula_cases_nets,
    formula_cases_losses,
)
ALL = [Case(*one) for part in PARTS for one in part.CASES]
