"""Every error that vsr raises on purpose, and the exit code of each.

    VsrError                 1   (never raised itself; an unexpected error exits 1 too)
    ├── UsageError           2   what was asked for makes no sense or is not supported
    ├── InputError           3   the input file is missing, unreadable, damaged or not a video
    │   └── DamageError      3   damage was met and ``--strict`` forbids going on
    ├── ModelError           4   a method's model cannot be loaded or used
    ├── MachineError         5   disk, permissions, devices, other programs
    │   ├── WorkFolderBusy   5   another run holds the work folder
    │   └── VerificationError 5  a file on disk is not what its record says
    └── Interrupted          6   stopped by the user; finished segments are kept

A message is one line: what is wrong, where (file, stream, time), and what to do about it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = [
    "DamageError",
    "InputError",
    "Interrupted",
    "MachineError",
    "ModelError",
    "UsageError",
    "VerificationError",
    "VsrError",
    "WorkFolderBusy",
    "nearest",
]


class VsrError(Exception):
    """Base of all errors that vsr raises on purpose."""

    exit_code = 1


class UsageError(VsrError):
    """What was asked for makes no sense or is not supported."""

    exit_code = 2


class InputError(VsrError):
    """The input file is missing, unreadable, damaged or not a video."""

    exit_code = 3


class DamageError(InputError):
    """Damage was met in the input and strict decoding was asked for."""


class ModelError(VsrError):
    """A method's model cannot be loaded or used."""

    exit_code = 4


class MachineError(VsrError):
    """The machine refuses: disk, permissions, devices, other programs."""

    exit_code = 5


class WorkFolderBusy(MachineError):
    """Another run holds the work folder."""


class VerificationError(MachineError):
    """A file on disk is not what its record says it is."""


class Interrupted(VsrError):
    """The user stopped the run; what is finished is kept for the next one."""

    exit_code = 6


def nearest(value: str, known: Iterable[str]) -> str:
    """``"; did you mean 'x'?"`` for the known name closest to ``value``, else ``""``."""
    found = difflib.get_close_matches(value, list(known), n=1, cutoff=0.5)
    return f"; did you mean {found[0]!r}?" if found else ""
