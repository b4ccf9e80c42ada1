"""Signing outputs."""

from __future__ import annotations

from pathlib import Path

from vsr.api.arguments import PathLike
from vsr.archive import Signed, sign_output

__all__ = ["sign"]


def sign(output: PathLike, *, certificates: PathLike, key: PathLike, source: PathLike | None = None) -> Signed:
    """Give a finished output content credentials in the form of C2PA, in the file or, of Matroska, beside it.

    They say what was done and what the output was made from, and keep the credentials of the source. The output is
    verified first; its record then holds the digests of the signed file, and those of before.

    Args:
        output: a video or an image, or its record.
        certificates: PEM of the signer's certificate and of those that vouch for it, the signer's first.
        key: PEM of its private key, without a password.
        source: where the input is now, if not where the record says.

    Raises `UsageError` where the output is signed already or key and certificates do not do, `VerificationError` where
    it is not what its record says, `MachineError`. Then it is as it was.
    """
    place = None if source is None else Path(source)
    return sign_output(output, certificates=Path(certificates), key=Path(key), source=place)
