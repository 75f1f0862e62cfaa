"""The command line's entry: what it does is in `commands`, which takes seconds to load."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from contextlib import suppress


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the process's exit code."""
    try:
        from . import commands

        code = commands.run(arguments)
        print(end="", flush=True)  # a failure to write is reported here, not by the interpreter
    except KeyboardInterrupt:
        print("Stopped. Finished runs are kept; run the same command to continue.", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:  # who reads the output has seen enough
        lose_output()
        return 128 + 13  # SIGPIPE's number, where there are signals
    except OSError as fault:  # as a disk that is full
        print(f"{fault.filename or 'the output'} fails: {fault.strerror}.", file=sys.stderr)
        lose_output()
        return 2
    return code


def lose_output() -> None:
    """Let what is still to be written go nowhere: Python would try it again when it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


if __name__ == "__main__":
    warnings.formatwarning = lambda message, *_, **__: f"{message}\n"  # a sentence, no code
    code = main()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # pressed again: all that can be lost is lost
    sys.exit(code)
