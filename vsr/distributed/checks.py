"""What every worker of a cluster must be like: the same software as here, and access to the same files."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Sequence
from pathlib import Path

from vsr.distributed.dispatch import WorkerInfo
from vsr.errors import MachineError
from vsr.pipeline.objects import is_url
from vsr.pipeline.request import Request
from vsr.pipeline.sidecar import software_versions
from vsr.pipeline.storage import make_locked, remove_if_left

__all__ = ["ClusterChecks"]

_log = logging.getLogger(__name__)
_MUST_AGREE = ("vsr", "python", "torch", "av", "opencv-python", "numpy", "numba")


class ClusterChecks:
    """What every worker must be like: the same software as here, and access to the same files."""

    def __init__(self, requests: Sequence[Request], is_cluster: bool) -> None:
        self._kinds: set[str] = set()
        self._tokens: dict[Path, int] = {}
        try:
            self._tokens |= map(_make_token, _folders(requests) if is_cluster else ())
        except MachineError:
            self.close()
            raise
        sources = {Path(r.source).absolute().parent for r in requests if not is_url(r.source)}
        self.must_see = (*self._tokens, *sorted(sources)) if is_cluster else ()

    def check(self, worker: WorkerInfo) -> None:
        """Raises `MachineError` for a worker that cannot be used."""
        here = software_versions()
        for name in _MUST_AGREE:
            if worker.versions.get(name) != here[name]:
                raise MachineError(
                    f"{worker.node} has {name} {worker.versions.get(name)}, this machine {here[name]}; "
                    "the same versions are needed everywhere for the same bytes"
                )
        if worker.unseen:
            where = Path(worker.unseen[0])
            raise MachineError(
                f"{worker.node} does not see {where.parent if where in self._tokens else where}; inputs, outputs and "
                "the work folder must be on a path that every machine sees, or be URLs"
            )
        is_new = worker.kind not in self._kinds
        self._kinds.add(worker.kind)
        if is_new and len(self._kinds) == 2:
            _log.warning("two kinds of device (%s): each file is made on one of them", ", ".join(sorted(self._kinds)))

    def close(self) -> None:
        """Remove what was put there to be seen."""
        for token, descriptor in self._tokens.items():
            token.unlink(missing_ok=True)
            os.close(descriptor)
        self._tokens = {}


def _folders(requests: Sequence[Request]) -> list[Path]:
    """Those that are written to and exist."""
    places = (r.work_base or Path(r.output).parent for r in requests if r.work_base or not is_url(r.output))
    folders = {place.absolute() for place in places}
    return sorted(folder for folder in folders if folder.is_dir())


def _make_token(folder: Path) -> tuple[Path, int]:
    """A new file in a folder, for the others to find, and its descriptor; those that killed runs left here go."""
    own = f".vsr-seen-{socket.gethostname()}-"
    for left in folder.glob(f"{own}*.tmp"):
        remove_if_left(left)
    token = folder / f"{own}{uuid.uuid4().hex}.tmp"
    try:
        return token, make_locked(token)
    except OSError as error:
        raise MachineError(f"cannot write to {folder}: {error.strerror}") from error
