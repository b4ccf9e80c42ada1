"""What all commands share: errors as one line with the right exit code, and output that fits its reader."""

from __future__ import annotations

import atexit
import errno
import os
import signal
import sys
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    import typer

__all__ = ["fail", "leave", "print_table", "run_guarded"]

_FULL = (errno.ENOSPC, errno.EDQUOT)
_NO_LIBRARY = "cannot open shared object file"  # as the loader says it
_PARSER_INTERRUPTED = 130  # what typer makes of Ctrl-C


def fail(message: str) -> None:
    """One line on standard error."""
    print(f"vsr: {' '.join(message.split())}", file=sys.stderr)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    """Torch, while it is being loaded, aborts the process on any exception; nothing has been begun by then."""
    if getattr(getattr(sys.modules.get("torch"), "__spec__", None), "_initializing", False):
        _stop()
    raise KeyboardInterrupt


def _stop() -> NoReturn:
    """Leave at once: a second signal may have cut tidying short, and threads in foreign code must not be unwound."""
    from vsr.errors import Interrupted

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    fail("stopped; what is finished is kept, and the same command goes on from there")
    _exit(Interrupted.exit_code)


def _silence() -> None:
    """Let go of what is still to be printed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave(code: int) -> NoReturn:
    """End the program as usual but for the interpreter's own tidying: to free all that torch has made takes 0.3 s."""
    atexit._run_exitfuncs()
    _exit(code)


def _exit(code: int) -> NoReturn:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def run_guarded(app: typer.Typer) -> int:
    """Run the program; returns its exit code. Errors become one line, unless ``--debug`` is among the arguments."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:  # as in the background of a script
        signal.signal(signal.SIGINT, _interrupt)
    try:
        return _run(app)
    except KeyboardInterrupt:  # wherever it comes from the first moment on
        _stop()


def _run(app: typer.Typer) -> int:
    import typer.exceptions
    import typer.main

    from vsr.errors import MachineError, UsageError, VsrError

    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 writes its settings to standard error otherwise
    debug = "--debug" in sys.argv[1:]
    try:
        result = typer.main.get_command(app).main(standalone_mode=False, prog_name="vsr")
        sys.stdout.flush()
        if result == _PARSER_INTERRUPTED:
            _stop()
        return result if isinstance(result, int) else 0
    except typer.Abort:
        _stop()
    except VsrError as error:
        if debug:
            raise
        fail(str(error))
        return error.exit_code
    except typer.exceptions.TyperException as error:  # the parser's own complaints
        fail(f"{getattr(error, 'format_message', error.__str__)()} (see vsr --help)")
        return UsageError.exit_code
    except BrokenPipeError:
        _silence()  # the reader of our output went away
        return 0
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FULL and error.filename is None and not debug:
            _silence()
            fail(f"no more can be written: {error.strerror}")
            return MachineError.exit_code
        if isinstance(error, PermissionError) and error.filename is not None and not debug:
            fail(f"{error.filename}: cannot be reached ({error.strerror}); fix its permissions, or name another")
            return MachineError.exit_code
        if isinstance(error, ImportError) and _NO_LIBRARY in str(error) and not debug:
            library = str(error).partition(":")[0]
            fail(f"this machine has no {library}; for OpenCV on Debian: apt-get install libgl1 libglib2.0-0 libxcb1")
            return MachineError.exit_code
        if isinstance(error.__cause__, KeyboardInterrupt):  # as it comes out of a class that is being made
            _stop()
        if debug:
            raise
        fail(f"unexpected {type(error).__name__}: {error}; this is a bug, --debug shows where")
        return 1


def print_table(rows: list[tuple[str, str]]) -> None:
    """Names and values in two columns on standard output."""
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{name:<{width}}  {value}".rstrip())
