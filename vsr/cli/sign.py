"""``vsr sign``: content credentials that say what was done to an output."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["sign"]


def sign(
    output: Annotated[str, typer.Argument(metavar="OUTPUT|RECORD", help="A video or an image that vsr made.")],
    certificates: Annotated[
        Path, typer.Option("--cert", metavar="PEM", help="The certificate, and those that vouch for it behind it.")
    ],
    key: Annotated[Path, typer.Option("--key", metavar="PEM", help="Its private key, without a password.")],
    input_: Annotated[
        Path | None,
        typer.Option("--input", metavar="PATH", help="Where the input is now.  [default: where the record says]"),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback on errors.")] = False,
) -> None:
    """Sign an output: content credentials (C2PA) in MP4, MOV, PNG and TIFF, beside Matroska. It is verified first."""
    del debug
    from vsr import api
    from vsr.cli.console import print_table

    made = api.sign(output, certificates=certificates, key=key, source=input_)
    where = "in the file" if made.sidecar is None else str(made.sidecar)
    print_table(
        [
            ("signed", str(made.output)),
            ("credentials", where),
            ("by", made.signer),
            ("source's own", made.source),
        ]
    )
