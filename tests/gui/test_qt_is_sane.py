"""The PySide6 release in use keeps its reference counts (docs/adr/0003)."""

from __future__ import annotations

import sys

from PySide6.QtGui import QTransform


def test_void_calls_do_not_eat_references_to_none():
    transform = QTransform()
    before = sys.getrefcount(None)
    for _ in range(200_000):
        transform.reset()
    assert sys.getrefcount(None) > before - 1000
