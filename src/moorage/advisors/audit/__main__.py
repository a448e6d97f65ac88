"""``python -m moorage.advisors.audit``."""

from __future__ import annotations

import sys

from moorage.advisors.audit.service import main

if __name__ == "__main__":
    sys.exit(main())
