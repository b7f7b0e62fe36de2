"""Check the shared libraries that Qt needs and install the missing ones, or print the command that does.

Qt aborts the whole process where one is missing, so this runs before it. Exit code 0: all there (or not Linux); 1: some missing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from gradwalk_gui.display import ALWAYS, FOR_X11, missing


def install(packages: list[str]) -> bool:
    """Install Debian packages if this user can; False where that is not possible or failed."""
    if shutil.which("apt-get") is None:
        return False
    prefix = []
    if os.geteuid() != 0:
        if shutil.which("sudo") is None:
            return False
        prefix = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    print("Installing the system libraries that Qt needs:", *packages, flush=True)
    subprocess.run([*prefix, "apt-get", "update", "-qq"], env=environment, check=False)
    command = [*prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False).returncode == 0


def main() -> int:
    """Check, install or say what to install."""
    if not sys.platform.startswith("linux"):
        return 0
    display = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    wanted = ALWAYS | (FOR_X11 if display else {})
    packages = missing(wanted)
    if not packages or (install(packages) and not missing(wanted)):
        return 0
    print("Qt needs system libraries that are not installed. On Debian or Ubuntu, type:", file=sys.stderr)
    print(f"  sudo apt-get install {' '.join(packages)}", file=sys.stderr)
    print("On another system, install the packages with these libraries, then run this again:", file=sys.stderr)
    print("  " + " ".join(soname for soname, package in wanted.items() if package in packages), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
