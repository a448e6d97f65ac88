"""Draw what `make demo` ends with: docs/images/demo.svg, from a real run in a real terminal.

Usage: .venv/bin/python scripts/picture.py (needs tmux; the platform in MOORAGE_HOME is used, and stays)
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

TARGET = Path(__file__).parents[1] / "docs/images/demo.svg"
COLUMNS, LINES = 84, 80
SESSION = "moorage-picture"
DONE = "leaves nothing behind"
PATIENCE_SECONDS = 600


def main() -> None:
    """Run the demo, wait for its last screen, and draw it."""
    tmux = shutil.which("tmux")
    if tmux is None:
        raise SystemExit("error: tmux is not there\nhint: install it (apt install tmux)")
    size = ["-x", str(COLUMNS), "-y", str(LINES)]
    # Who owns the project is whoever runs it; a picture shows somebody.
    command = "LOGNAME=alice PATH=$PWD/.venv/bin:$PATH moorage demo"
    subprocess.run([tmux, "new-session", "-d", "-s", SESSION, *size], check=True)
    try:
        subprocess.run([tmux, "send-keys", "-t", SESSION, f"clear; {command}", "Enter"], check=True)
        screen = wait(tmux)
    finally:
        subprocess.run([tmux, "kill-session", "-t", SESSION], check=False)
    lines = [line for line in screen.splitlines() if "moorage demo" not in line]
    end = next(number for number, line in enumerate(lines) if DONE in line)
    prompt = Text.assemble(("$ ", "bold green"), ("make demo", "bold"))
    with Path("/dev/null").open("w") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True)
        console.print(prompt)
        console.print(Text.from_ansi("\n".join(lines[: end + 1])), soft_wrap=True)
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        # A picture asks nobody for a font.
        TARGET.write_text(
            re.sub(r"@font-face \{.*?\}\n", "", console.export_svg(title="Moorage"), flags=re.DOTALL)
        )
    print(TARGET)


def wait(tmux: str) -> str:
    """Return the screen, once the demo is over."""
    for _ in range(PATIENCE_SECONDS):
        time.sleep(1)
        screen = subprocess.run(
            [tmux, "capture-pane", "-e", "-p", "-t", SESSION], check=True, capture_output=True, text=True
        ).stdout
        if DONE in screen:
            return screen
    raise SystemExit("error: the demo did not end")


if __name__ == "__main__":
    main()
