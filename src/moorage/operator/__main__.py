"""``python -m moorage.operator``."""

from __future__ import annotations

import sys

from moorage.operator.main import main

if __name__ == "__main__":
    sys.exit(main())
