"""``python -m vsr.studio.child PARENT ARGUMENT…``: the program ``vsr``, which stops when the studio is gone.

A run that outlived its studio would hold the work folder that the next one wants to go on with. Linux sends the signal
when the parent ends, however it ends, and keeps to it when the process becomes another program.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main(parent: str, *words: str) -> None:
    """Become ``vsr`` with these words; exit at once where the process ``parent`` is gone already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != int(parent):
        sys.exit(6)
    os.execv(sys.executable, [sys.executable, "-m", "vsr", *words])


if __name__ == "__main__":
    main(*sys.argv[1:])
