"""What archives ask of finished outputs: bags, and content credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from vsr.api.arguments import PathLike
from vsr.archive import Bag, Signed, make_bag, sign_output
from vsr.archive.bag import OnFile

__all__ = ["bag", "sign"]


def bag(
    outputs: PathLike | Sequence[PathLike],
    folder: PathLike,
    *,
    source: PathLike | None = None,
    with_source: bool = False,
    info: Mapping[str, str] | None = None,
    on_file: OnFile | None = None,
) -> Bag:
    """Pack outputs of vsr, with what lies beside them, into the new folder ``folder``, in the form of BagIt (RFC 8493).

    Each output is first compared with its record. ``data/`` holds the outputs, their records and checksums, a PREMIS 3
    description of each (``OUTPUT.premis.xml``), and with ``with_source`` the sources in ``data/source/``.

    Args:
        outputs: outputs of any kind, or their records; images as a pattern.
        folder: the bag; it gets its name when it is whole.
        source: where the input of the one output is now, if not where its record says.
        with_source: whether the sources are packed, too; else the descriptions tell where they are.
        info: lines for ``bag-info.txt``, such as ``{"Source-Organization": "…"}``.
        on_file: called from this thread with what is done and the share of it.

    Raises `VerificationError` where an output is not what its record says, `UsageError` where names collide or a
    source is not here, `MachineError`. Then there is no folder of that name.
    """
    given = [outputs] if isinstance(outputs, (str, Path)) else list(outputs)
    return make_bag(
        given,
        Path(folder),
        source=None if source is None else Path(source),
        with_source=with_source,
        info=dict(info or {}),
        on_file=on_file or (lambda what, share: None),
    )


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
