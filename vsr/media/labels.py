"""Where each container keeps a sentence about how a file was made."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["label_options"]


def label_options(container: str, label: str, source_tags: Mapping[str, str]) -> list[str]:
    """Options of ffmpeg that write ``label`` into a file of ``container``: ``mp4``, ``mov`` or ``mkv``.

    MP4 has a field for the program (shown as ``encoder``); MOV as FFmpeg writes it has none, so its comment is taken
    where the source has none; Matroska takes any name. The source's own tags stay.
    """
    if not label:
        return []
    if container == "mkv":
        name = "PROVENANCE"
    else:
        # Matroska writes its names in capitals; FFmpeg takes either
        name = (
            "comment"
            if container == "mov" and not any(name.lower() == "comment" for name in source_tags)
            else "encoding_tool"
        )
    return ["-metadata", f"{name}={label}"]
