"""The look of the chrome: one Qt style sheet from a Theme. All gaps are multiples of 4 pixels."""

from __future__ import annotations

from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

from .panel import palette
from .theme import TEXT_FAMILY, Theme, assets, load_fonts, set_font_scale

BASE = 13
"""The size of text at font scale 1, logical pixels."""


def apply(app: QApplication, theme: Theme, scale: float = 1.0) -> None:
    """Dress the whole application, which was made with Qt's "fusion" style.

    Nobody asks for ``app.style()`` or ``widget.style()`` here or elsewhere: a new sheet frees the style that Python still holds.
    """
    load_fonts()
    set_font_scale(scale)
    made = QFont(TEXT_FAMILY)
    made.setPixelSize(round(BASE * scale))
    made.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
    app.setFont(made)
    app.setPalette(palette(theme))
    made_sheet = sheet(theme, scale)
    if app.styleSheet() != made_sheet:
        app.setStyleSheet(made_sheet)


def sheet(theme: Theme, scale: float = 1.0) -> str:
    """The style sheet of a theme at a font scale."""
    icons = (assets() / "icons" / "controls" / theme.name).as_posix()
    names = {name: getattr(theme, name) for name in _COLOURS}
    sizes = {"small": f"{round(11 * scale)}px", "base": f"{round(BASE * scale)}px", "large": f"{round(20 * scale)}px"}
    text = _SHEET
    for name, value in sorted({**names, **sizes, "icons": icons}.items(), key=lambda pair: -len(pair[0])):
        text = text.replace(f"@{name}", value)
    return text


_COLOURS = (
    "window", "panel", "raised", "border", "text", "subtle", "faint", "accent", "accent_text", "hover", "danger", "update", "bad",
    "backward", "forward", "ghost",
)  # fmt: skip

_SHEET = """
QMainWindow, QDialog, #page { background: @window; }
QMainWindow::separator { background: @window; width: 5px; height: 5px; }
QMainWindow::separator:hover { background: @accent; }
QToolTip { background: @raised; color: @text; border: 1px solid @border; padding: 4px 8px; }

#top { background: @window; border-bottom: 1px solid @border; }
QMenuBar { background: transparent; padding: 2px 0; }
QMenuBar::item { background: transparent; padding: 7px 10px; border-radius: 6px; margin: 1px; }
QMenuBar::item:selected { background: @hover; }
QMenu { background: @raised; border: 1px solid @border; border-radius: 8px; padding: 4px; }
QMenu::item { padding: 5px 24px 5px 8px; border-radius: 5px; margin: 0 2px; }
QMenu::item:selected { background: @accent; color: @accent_text; }
QMenu::item:disabled { color: @faint; background: transparent; }
QMenu::separator { height: 1px; background: @border; margin: 4px 8px; }
QMenu::icon { padding-left: 6px; }
QMenu::indicator { width: 14px; height: 14px; margin-left: 6px; border: 1px solid @ghost;
  border-radius: 4px; background: @panel; }
QMenu::indicator:exclusive { border-radius: 8px; }
QMenu::indicator:checked { background: @accent; border-color: @accent; image: url(@icons/check.svg); }
QMenu::right-arrow { image: url(@icons/chevron-right.svg); width: 14px; height: 14px; margin-right: 4px; }

QToolBar { background: @window; border: none; border-bottom: 1px solid @border; padding: 4px 8px; spacing: 4px; }
QToolButton { background: transparent; border: 1px solid transparent; border-radius: 6px; padding: 4px; }
QToolButton:hover { background: @hover; }
QToolButton:pressed { background: @border; }
QToolButton:checked { background: @hover; border-color: @border; }
QToolButton:focus { border: 1px solid @accent; }
QToolButton#play { background: @accent; border-radius: 18px; min-width: 26px; max-width: 26px;
  min-height: 26px; max-height: 26px; }
QToolButton#play:hover { background: @accent; border: 1px solid @text; }
QToolButton#play:focus { border: 2px solid @text; }
QToolButton#play:disabled { background: @border; }
QToolButton::menu-indicator { image: none; }

QPushButton { background: @raised; border: 1px solid @border; border-radius: 6px; padding: 5px 12px; min-height: 18px; }
QPushButton:hover { background: @hover; }
QPushButton:pressed { background: @border; }
QPushButton:focus { border: 1px solid @accent; }
QPushButton:disabled { color: @faint; background: @window; }
QPushButton:default, QPushButton#primary { background: @accent; color: @accent_text; border-color: @accent; font-weight: 600; }
QPushButton:default:focus, QPushButton#primary:focus { border: 2px solid @text; padding: 4px 11px; }
QDialogButtonBox { dialogbuttonbox-buttons-have-icons: 0; }
QPushButton#search { color: @faint; text-align: left; padding: 3px 8px; min-width: 220px; }
QPushButton#search:hover { color: @text; }
QPushButton#live { padding: 2px 8px; border-radius: 11px; font-weight: 600; font-size: @small; min-height: 16px; color: @subtle; }
QPushButton#live:checked { background: @update; border-color: @update; color: @panel; }
QPushButton#live:focus { border-color: @accent; }
QPushButton#live:disabled { color: @faint; background: transparent; }
QPushButton#link { background: transparent; border: 1px solid transparent; color: @accent; padding: 2px 6px; font-weight: 500; }
QPushButton#link:hover { background: @hover; }
QPushButton#link:focus { border-color: @accent; }

QLineEdit, QSpinBox, QDoubleSpinBox, QComboBox { background: @panel; border: 1px solid @border; border-radius: 6px;
  padding: 4px 8px; min-height: 18px; selection-background-color: @accent; selection-color: @accent_text; }
QLineEdit:hover, QSpinBox:hover, QDoubleSpinBox:hover, QComboBox:hover { border-color: @ghost; }
QLineEdit:focus, QSpinBox:focus, QDoubleSpinBox:focus, QComboBox:focus { border-color: @accent; }
QLineEdit:disabled, QSpinBox:disabled, QDoubleSpinBox:disabled, QComboBox:disabled { color: @faint; background: @window; }
QSpinBox, QDoubleSpinBox { padding: 4px 20px 4px 4px; }
QComboBox { padding-right: 22px; }
QComboBox::drop-down { border: none; width: 20px; }
QComboBox::down-arrow { image: url(@icons/chevron-down.svg); width: 14px; height: 14px; }
QComboBox QAbstractItemView { background: @raised; border: 1px solid @border; padding: 4px; outline: none;
  selection-background-color: @accent; selection-color: @accent_text; }
QComboBox QAbstractItemView::item { min-height: 24px; padding: 2px 6px; border-radius: 4px; }
QSpinBox::up-button, QDoubleSpinBox::up-button { subcontrol-position: top right; width: 18px; border: none; }
QSpinBox::down-button, QDoubleSpinBox::down-button { subcontrol-position: bottom right; width: 18px; border: none; }
QSpinBox::up-arrow, QDoubleSpinBox::up-arrow { image: url(@icons/chevron-up.svg); width: 12px; height: 12px; }
QSpinBox::down-arrow, QDoubleSpinBox::down-arrow { image: url(@icons/chevron-down.svg); width: 12px; height: 12px; }
QCheckBox, QRadioButton { spacing: 8px; }
QCheckBox::indicator, QListWidget::indicator, QRadioButton::indicator { width: 16px; height: 16px;
  border: 1px solid @ghost; border-radius: 5px; background: @panel; }
QRadioButton::indicator { border-radius: 9px; }
QCheckBox, QRadioButton { border: 1px solid transparent; border-radius: 5px; padding: 2px 6px 2px 2px; }
QCheckBox:focus, QRadioButton:focus { border-color: @accent; }
QCheckBox::indicator:hover, QRadioButton::indicator:hover { border-color: @accent; }
QCheckBox::indicator:checked, QListWidget::indicator:checked { background: @accent; border-color: @accent;
  image: url(@icons/check.svg); }
QRadioButton::indicator:checked { background: qradialgradient(cx:0.5, cy:0.5, radius:0.5, fx:0.5, fy:0.5,
  stop:0 @accent, stop:0.45 @accent, stop:0.55 @panel, stop:1 @panel); border-color: @accent; }

QHeaderView { background: @panel; }
QHeaderView::section { background: @panel; color: @subtle; border: none; border-bottom: 1px solid @border; padding: 4px 8px;
  font-size: @small; font-weight: 600; }
QTableView, QTreeView, QListView { background: @panel; border: none; outline: none; gridline-color: @border;
  alternate-background-color: @window; selection-background-color: @accent; selection-color: @accent_text; }
#table::item { padding: 0 5px; border: none; }
#table::item:selected { background: @accent; color: @accent_text; }
QPlainTextEdit, QTextEdit { background: @panel; border: none; selection-background-color: @accent;
  selection-color: @accent_text; }
QGraphicsView { background: @panel; border: none; }
QScrollArea, QScrollArea > QWidget > QWidget#sheet { background: transparent; border: none; }

QScrollBar:vertical { background: transparent; width: 12px; margin: 0; }
QScrollBar:horizontal { background: transparent; height: 12px; margin: 0; }
QScrollBar::handle { background: @ghost; border-radius: 3px; margin: 3px; }
QScrollBar::handle:vertical { min-height: 28px; }
QScrollBar::handle:horizontal { min-width: 28px; }
QScrollBar::handle:hover { background: @faint; }
QScrollBar::add-line, QScrollBar::sub-line { width: 0; height: 0; }
QScrollBar::add-page, QScrollBar::sub-page { background: transparent; }

QTabBar { background: transparent; font-size: @small; font-weight: 600; }
QTabBar::tab { background: transparent; color: @subtle; padding: 5px 12px; border: none; border-bottom: 2px solid transparent;
  font-size: @small; font-weight: 600; }
QTabBar::tab:selected { color: @text; border-bottom-color: @accent; }
QTabBar::tab:hover { color: @text; }

QDockWidget { color: @text; }
QDockWidget > QWidget { background: @panel; }
#dockTitle { background: @panel; border-top: 1px solid @border; border-bottom: 1px solid @border; }
#dockTitle QLabel { color: @subtle; font-size: @small; font-weight: 600; }
#dockTitle QToolButton { padding: 1px; border-radius: 4px; }

QStatusBar { background: @window; border-top: 1px solid @border; color: @subtle; font-size: @small; }
QStatusBar::item { border: none; }
QStatusBar QLabel { color: @subtle; font-size: @small; padding: 1px 6px; }
QStatusBar QSizeGrip { width: 0; }
QStatusBar QComboBox { font-size: @small; min-height: 16px; padding: 1px 6px; border-radius: 4px; }
#differences::item { padding: 4px 6px; }

#rule { background: @border; border: none; }
#notice { border-bottom: 1px solid @border; background: @raised; }
#card { background: @raised; border: 1px solid @border; border-radius: 10px; text-align: left; padding: 0; }
#card:hover { border-color: @accent; }
#card:focus { border: 2px solid @accent; }
#heading { font-size: @large; font-weight: 700; }
#section { font-size: @small; font-weight: 600; color: @subtle; }
#hint { color: @subtle; }
#small { color: @faint; font-size: @small; }
#strong { font-weight: 600; }
#over { background: @panel; border: 1px solid @border; border-radius: 8px; }
#over QToolButton { padding: 3px 6px; }
#over QToolButton#crumb { color: @subtle; font-size: @small; }
#over QToolButton#crumb:hover { color: @text; }
#over QToolButton#here { font-size: @small; font-weight: 600; }
#over QToolButton:disabled { color: @faint; }
QSlider { border: 1px solid transparent; border-radius: 6px; min-height: 20px; }
QSlider:focus { border-color: @accent; }
QSlider::groove:horizontal { height: 4px; border-radius: 2px; background: @border; margin: 0 4px; }
QSlider::sub-page:horizontal { height: 4px; border-radius: 2px; background: @accent; margin: 0 4px; }
QSlider::handle:horizontal { width: 12px; height: 12px; margin: -4px 0; border-radius: 6px; background: @accent; }
QSlider::handle:horizontal:disabled, QSlider::sub-page:horizontal:disabled { background: @ghost; }
#tour { background: @raised; border: 1px solid @ghost; border-radius: 10px; }
#tour:focus { border: 2px solid @accent; }
#palette { border: 1px solid @ghost; background: @raised; }
#key { background: @hover; border: 1px solid @border; border-radius: 4px; padding: 1px 6px; font-size: @small; color: @subtle; }
#danger { color: @danger; font-weight: 500; }
QProgressBar { background: @border; border: none; border-radius: 2px; max-height: 4px; }
QProgressBar::chunk { background: @accent; border-radius: 2px; }
"""
