"""``python -m gradwalk_gui`` opens the window."""

import sys

from gradwalk_gui.app import main

if __name__ == "__main__":
    sys.exit(main())
