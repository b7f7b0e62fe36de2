"""The formula of what is looked at, how gradients go through it, and where several of them meet."""

from __future__ import annotations

from gradwalk.trace import NONE

from .. import inspector_text as texts
from ..inspection.formula import card_of
from ..inspection.subject import op_behind
from ..theme import Theme
from ..widgets.formula_card import FormulaCard
from ..widgets.one_element import OneElement
from .look import Look
from .part import Part


class FormulaPart(Part):
    """The card, the arithmetic of one element, and two blocks of text."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Formula", theme)
        self.card = FormulaCard(theme)
        self.add(self.card)
        self.element = OneElement(theme)
        self.card.element_chosen.connect(self.element.choose)
        self.add(self.element)
        self.flow, self.sums = self.block("Gradient flow"), self.block("Sum of gradients")

    def fill(self, look: Look) -> bool:
        """Card, gradients in and out, sums."""
        card = card_of(look.trace, look.position, look.subject)
        self.card.show_card(card)
        op = op_behind(look.trace.graph, look.subject)
        self.element.show_op(look.trace, look.trace.graph.ops[op] if op != NONE else None, look.position)
        self.flow.show_html(texts.flow(look.trace, look.position, look.subject, self.theme))
        self.sums.show_html(texts.sums(look.trace, look.position, look.subject, self.theme))
        return card is not None or bool(self.flow.text() or self.sums.text())

    def recolour(self, theme: Theme) -> None:
        """Change the colours."""
        super().recolour(theme)
        self.card.set_theme(theme)
        self.element.set_theme(theme)
