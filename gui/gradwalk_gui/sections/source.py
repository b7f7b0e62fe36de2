"""The source of what is looked at: five lines around its expression, and the Python stack; of a Node those of its forward op."""

from __future__ import annotations

from .. import inspector_text as texts
from ..inspection.source_text import excerpt, selected_site, text_of
from ..inspection.subject import phase_of
from ..panel import mix, phase_colour
from ..theme import Theme
from ..widgets.text import mono
from .look import Look
from .part import Part


class SourcePart(Part):
    """The excerpt and the stack; a line of the stack is a link to its place in the source panel."""

    def __init__(self, theme: Theme) -> None:
        super().__init__("Source", theme)
        self.code, self.stack = self.block("Source expression"), self.block("Python stack")

    def fill(self, look: Look) -> bool:
        """Excerpt and stack."""
        site = selected_site(look.trace.graph, look.subject)
        if site is None:
            return False
        theme = self.theme
        text = text_of(look.state.recording, site.file)
        colour = mix(phase_colour(phase_of(look.trace, look.subject) or "forward", theme), theme.panel, 0.3).name()
        lines = excerpt(text, site) if text is not None else []
        self.code.show_html(texts.code(lines, colour, theme) if lines else mono(site.expression))
        self.code.setToolTip(site.file)
        self.stack.show_html(texts.stack(site, theme))
        return True
