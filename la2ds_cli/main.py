"""Entry point of the `la2ds` command: what it does to its process, and how faults leave it.

Importing this module does nothing; `main` sets up the process before anything large is imported.
"""

from __future__ import annotations

import io
import signal
import sys
import traceback

from la2ds_cli.core import console
from la2ds_cli.core.errors import ExitCode
from la2ds_models.startup import own_process


def main() -> None:
    """Run the command of sys.argv in a process of its own, and end the process."""
    hidden = sys.stdout is None
    own_process()
    from la2ds_cli.commands.app import app_for  # after the process is set up: it imports packages

    # Saves what there is, as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if hidden:
        console.warn("standard output is closed: results are not shown")
    for stream in (sys.stdout, sys.stderr):  # whatever their encoding, a name does not end the run
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        app_for(sys.argv[1:])(prog_name="la2ds")
    except KeyboardInterrupt:
        sys.exit(ExitCode.INTERRUPTED)
    except Exception:  # a fault of la2ds: its traceback, in which names are harmless
        console.traceback(traceback.format_exc())
        sys.exit(ExitCode.BUG)
