"""What Qt needs of the system: it aborts the process where that is missing, which Python cannot catch. No Qt here."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Mapping

ALWAYS = {
    "libglib-2.0.so.0": "libglib2.0-0",
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libdbus-1.so.3": "libdbus-1-3",
    "libfontconfig.so.1": "libfontconfig1",
}
"""Shared libraries that Qt needs on Linux, and the Debian packages that have them."""
FOR_X11 = {
    "libxcb.so.1": "libxcb1",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}
"""What a window on an X server needs besides."""
WITHOUT_A_SCREEN = ("offscreen", "minimal", "vnc")


def problem(environment: Mapping[str, str] | None = None) -> str:
    """One sentence that says why no window can be shown, or an empty string. Anything but Linux has a display."""
    if not sys.platform.startswith("linux"):
        return ""
    found = dict(os.environ if environment is None else environment)
    platform = found.get("QT_QPA_PLATFORM", "").partition(":")[0]
    headless = platform in WITHOUT_A_SCREEN
    display, wayland = found.get("DISPLAY", ""), found.get("WAYLAND_DISPLAY", "")
    packages = missing(ALWAYS | (FOR_X11 if display and not headless and platform != "wayland" else {}))
    if packages:
        return f"Qt needs system libraries that are not installed; on Debian or Ubuntu: sudo apt-get install {' '.join(packages)}"
    if headless or wayland:
        return ""
    if not display:
        return "there is no display to show a window on (DISPLAY is not set); a virtual one comes with: sudo apt-get install xvfb"
    return "" if _can_connect(display) else f"the display {display} cannot be reached; check DISPLAY and the permission to use it"


def missing(libraries: Mapping[str, str]) -> list[str]:
    """The Debian packages of the shared libraries that cannot be loaded."""
    return [package for soname, package in libraries.items() if not _loads(soname)]


def _loads(soname: str) -> bool:
    try:
        ctypes.CDLL(soname)
    except OSError:
        return False
    return True


def _can_connect(display: str) -> bool:
    xcb = ctypes.CDLL("libxcb.so.1")
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    xcb.xcb_connection_has_error.argtypes = (ctypes.c_void_p,)
    xcb.xcb_disconnect.argtypes = (ctypes.c_void_p,)
    connection = xcb.xcb_connect(display.encode(), None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed
