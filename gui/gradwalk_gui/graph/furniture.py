"""What stands over the graph: breadcrumb and depth at the top left, minimap and find bar at the top right. It places them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QRectF, Qt, QTimer
from PySide6.QtWidgets import QFrame, QHBoxLayout

from ..theme import Theme
from .away import AwayNote, told
from .breadcrumb import Breadcrumb
from .camera import Camera
from .depth import DepthSlider
from .find_bar import FindBar
from .minimap import Minimap
from .scene import Scene

if TYPE_CHECKING:
    from .canvas import GraphCanvas

AWAY = 8
FIND_WIDTH = 400
LEAST_HEIGHT, LEAST_WIDTH = 320, 480
"""A canvas smaller than this has no minimap."""


class Furniture(QObject):
    """Follows the canvas: :meth:`follow` after it was painted, :meth:`place` when its size is another."""

    def __init__(self, canvas: GraphCanvas) -> None:
        super().__init__(canvas)
        self._canvas = canvas
        self._scene: Scene | None = None
        self._camera = Camera()
        self.bar = QFrame(canvas)
        self.bar.setObjectName("over")
        self.crumbs = Breadcrumb(canvas.session, canvas.theme, self.bar)
        self.depth = DepthSlider(canvas.session, canvas.theme, self.bar)
        self.away = AwayNote(canvas.session, canvas.theme, self.bar)
        self.rule = QFrame(self.bar)
        self.rule.setObjectName("rule")
        self.rule.setFixedSize(1, 16)
        row = QHBoxLayout(self.bar)
        row.setContentsMargins(6, 2, 10, 2)
        row.setSpacing(8)
        for widget in (self.crumbs, self.rule, self.depth, self.away):
            row.addWidget(widget, 0, Qt.AlignmentFlag.AlignVCenter)
        self.minimap = Minimap(canvas, canvas, canvas.centre_on, canvas.zoom_by)
        self.find = FindBar(canvas.session, canvas.theme, canvas)
        self.crumbs.resized.connect(self.place_soon)
        self.depth.resized.connect(self.place_soon)
        self.away.resized.connect(self.place_soon)
        self.find.closed.connect(canvas.setFocus)
        self.find.closed.connect(self.place_soon)
        self.find.resized.connect(self.place_soon)
        self._shown: tuple[object, ...] = ()
        """What of the canvas the minimap was last told to show."""
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self.refresh)
        self.refresh()

    def set_theme(self, theme: Theme) -> None:
        """Change the colours."""
        for panel in (self.crumbs, self.depth, self.away, self.find):
            panel.set_theme(theme)
        self.minimap.update()

    def follow(self) -> None:
        """Look whether the canvas shows another scene or another part of it; changes nothing at once, for it is being painted."""
        if self._canvas.scene is not self._scene:
            self.place_soon()
        elif self._camera != self._canvas.camera:
            self._camera = self._canvas.camera
            if self.minimap.needed != self.minimap.isVisible():
                self.place_soon()
        shown = self._canvas.scene, self._canvas.look, self._canvas.camera, self._canvas.size().toTuple()
        if shown != self._shown:  # painting the minimap paints the canvas under it, too
            self._shown = shown
            self.minimap.update()

    def place_soon(self) -> None:
        """Place everything when the event loop comes round."""
        if not self._soon.isActive():
            self._soon.start(0)

    def refresh(self) -> None:
        """Take over the scene and place everything."""
        scene = self._canvas.scene
        if scene is not self._scene:
            self._scene = scene
            self.depth.say_cards(len(scene.picture.cards) if scene is not None else 0)
            self._canvas.scene_came()
        self.place()

    def place(self) -> None:
        """Show what there is room for, and put it into its corner."""
        canvas = self._canvas
        state = canvas.session.state
        modules = state.trace is not None and bool(state.trace.graph.modules)
        self.crumbs.setVisible(modules)
        for widget in (self.rule, self.depth):
            widget.setVisible(modules and canvas.width() > LEAST_WIDTH)
        self.away.setVisible(bool(told(state)))
        self.bar.setVisible(modules or bool(told(state)))
        self.bar.adjustSize()
        self.bar.setGeometry(
            AWAY, AWAY, min(self.bar.sizeHint().width(), canvas.width() - 2 * AWAY), self.bar.sizeHint().height()
        )
        top = AWAY
        if self.find.isVisible():
            width = min(FIND_WIDTH, canvas.width() - 2 * AWAY)
            self.find.resize(width, self.find.heightForWidth(width))
            left = max(AWAY, canvas.width() - self.find.width() - AWAY)
            if self.bar.isVisibleTo(canvas) and left < self.bar.geometry().right() + AWAY:
                top = self.bar.geometry().bottom() + AWAY
            self.find.move(left, top)
            top = self.find.geometry().bottom() + AWAY
        self._place_minimap(top)

    def _place_minimap(self, top: int) -> None:
        canvas = self._canvas
        roomy = canvas.width() > LEAST_WIDTH and canvas.height() > LEAST_HEIGHT
        shown = canvas.session.state.minimap and roomy and self.minimap.needed
        if shown:
            self.minimap.fit()
            left = canvas.width() - self.minimap.width() - AWAY
            if self.bar.isVisibleTo(canvas) and left < self.bar.geometry().right() + AWAY:
                top = max(top, self.bar.geometry().bottom() + AWAY)
            self.minimap.move(left, top)
        self.minimap.setVisible(shown)

    def bar_rect(self) -> QRectF | None:
        """Where the bar at the top left is, or None."""
        return QRectF(self.bar.geometry()) if self.bar.isVisibleTo(self._canvas) else None

    def clear_from(self) -> int:
        """How far down the bars reach."""
        return max((bar.geometry().bottom() for bar in (self.bar, self.find) if bar.isVisibleTo(self._canvas)), default=0)
