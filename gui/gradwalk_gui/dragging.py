"""Dragging a thing of the graph from one panel to another: out of the graph or of Events onto the plots."""

from __future__ import annotations

import json
from typing import cast, get_args

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QDrag
from PySide6.QtWidgets import QWidget

from .state import Selection, Thing

MIME = "application/x-gradwalk-thing"


def mime_of(selection: Selection) -> QMimeData:
    """A thing as what is dragged."""
    data = QMimeData()
    data.setData(MIME, json.dumps([selection.kind, selection.id]).encode())
    return data


def selection_in(data: QMimeData) -> Selection | None:
    """The thing that is dragged, or None where it is something else."""
    if not data.hasFormat(MIME):
        return None
    try:
        kind, thing = json.loads(bytes(data.data(MIME).data()))
    except (ValueError, TypeError):
        return None
    return Selection(cast(Thing, kind), thing) if kind in get_args(Thing) and type(thing) is int and thing >= 0 else None


def drag(source: QWidget, selection: Selection) -> None:
    """Drag a thing until the button is let go."""
    drag = QDrag(source)
    drag.setMimeData(mime_of(selection))
    drag.exec(Qt.DropAction.CopyAction)
