"""Limits of the watches in the preferences: one that makes no sense is said beside its field."""

from __future__ import annotations

from PySide6.QtCore import Qt

from gradwalk_gui.commands import BY_ID
from gradwalk_gui.preferences import Preferences

Key = Qt.Key


def test_a_wrong_limit_is_said_beside_its_field_and_enter_leaves_the_preferences_open(shell, qtbot):
    shell._window.run(BY_ID["preferences"])
    dialog = shell._window.findChildren(Preferences)[-1]
    qtbot.waitUntil(dialog.isVisible)
    for kind, typed, said in (
        ("exploding", "abc", "“abc” is no limit of exploding gradient: type a number above 0, such as 1000. 1000 stays."),
        ("dead-relu", "2", "“2” is no limit of dead ReLU: type a number above 0 and at most 1, such as 0.5. 0.5 stays."),
        ("spike", "", "Loss spike needs a limit: type a number above 0, such as 10. 10 stays."),
    ):
        field, problem = dialog.watches.fields[kind], dialog.watches.problems[kind]
        before = field.text()
        field.setFocus()
        field.selectAll()
        qtbot.keyClick(field, Qt.Key.Key_Delete)
        qtbot.keyClicks(field, typed)
        qtbot.keyClick(field, Qt.Key.Key_Return)
        assert dialog.isVisible()
        assert problem.isVisible()
        assert (problem.text(), field.text()) == (said, before)
        field.editingFinished.emit()  # as when the focus leaves it
        assert problem.isVisible()
        qtbot.keyClick(field, Qt.Key.Key_1)
        assert not problem.isVisible()
    field = dialog.watches.fields["vanishing"]
    field.selectAll()
    qtbot.keyClicks(field, "1e-9")
    qtbot.keyClick(field, Qt.Key.Key_Return)
    assert dialog.isVisible()
    assert "vanishing=1e-09" in shell.session.state.limits
    dialog.reject()
