"""The console script ``moorage``: how it starts, and how it ends."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from moorage.errors import ExitCode, MoorageError

INTERRUPTED = 130
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EIO})


def main() -> None:
    """Run the command line of this process."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; errors are told on stderr, in a line or two."""
    debug = bool(os.environ.get("MOORAGE_DEBUG"))
    try:
        code = _call(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        _tell("interrupted")
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read the output has enough; Python would complain once more while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = ExitCode.OK
    except OSError as error:
        if debug:
            raise
        if error.errno not in _FULL or error.filename is not None:
            code = _bug(error)
        else:
            # What is left cannot be written either, and Python would try to while it shuts down.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            _tell(f"error: what was found cannot be written: {error.strerror}")
            code = ExitCode.FAILURE
    except MoorageError as error:
        if debug and error.__cause__ is not None:
            raise
        _tell(f"error: {error.message}", f"hint: {error.hint}" if error.hint else "")
        code = error.exit_code
    except Exception as error:
        if debug:
            raise
        code = _bug(error)
    return code


def _bug(error: Exception) -> int:
    problem = " ".join(str(error).split())
    _tell(
        f"error: {type(error).__name__}{f': {problem}' if problem else ''}",
        "hint: this is a bug of moorage; MOORAGE_DEBUG=1 shows where",
    )
    return ExitCode.FAILURE


def _call(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["token"]:
        # kubectl runs it before each of its own commands: it starts faster than the others can be known.
        from moorage.cli.token import main as token

        return token(arguments[1:])
    if arguments[:2] == ["policy", "test"] and {"-h", "--help"}.isdisjoint(arguments):
        # It is run on every commit.
        from moorage.cli.policy_test import main as test

        return test(arguments[2:])
    if arguments[:2] == ["advise", "apis"] and {"-h", "--help"}.isdisjoint(arguments):
        from moorage.cli.advise_apis import main as apis

        return apis(arguments[2:])
    from moorage.cli._app import call

    return call(arguments)


def _tell(*lines: str) -> None:
    from moorage.cli._wrap import wrapped

    try:
        sys.stdout.flush()
        sys.stderr.write("".join(f"{wrapped(line, sys.stderr)}\n" for line in lines if line))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
