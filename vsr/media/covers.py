"""Cover images in Matroska are attached files: copied like other streams they would become a video track."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from vsr.errors import InputError
from vsr.media.demuxing import demux
from vsr.media.safe_open import open_input

__all__ = ["COVER_TYPES", "attach_covers"]

COVER_TYPES = {"mjpeg": ("image/jpeg", "jpg"), "png": ("image/png", "png")}
"""MIME type and suffix of the codecs in which players look for covers."""


def attach_covers(source: Path, indices: Sequence[int], folder: Path, first_place: int, *, deep: bool) -> list[str]:
    """Options of an ffmpeg command that attach the images ``indices`` of ``source``, written into ``folder``.

    ``first_place`` is the number of output streams before them. Raises `InputError` where an image is not there.
    """
    options: list[str] = []
    for place, index in enumerate(indices, first_place):
        with open_input(source, deep=deep) as container:
            stream = container.streams.video[[one.index for one in container.streams.video].index(index)]
            mime, suffix = COVER_TYPES[stream.codec_context.codec.canonical_name]
            packet = next((packet for packet in demux(container, stream) if packet.size), None)
            if packet is None:
                raise InputError(f"{source}: stream {index} is a cover without an image")
            path = folder / f"cover-{index}.{suffix}"
            path.write_bytes(bytes(packet))
            tags = {"filename": f"cover.{suffix}", **stream.metadata, "mimetype": mime}
        options += ["-attach", str(path)]
        for key, value in tags.items():
            options += [f"-metadata:s:{place}", f"{key}={value}"]
    return options
