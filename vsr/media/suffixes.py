"""File name extensions by which videos are found in folders; files named outright may have any."""

from __future__ import annotations

__all__ = ["VIDEO_SUFFIXES"]

VIDEO_SUFFIXES = frozenset(
    [
        ".264",
        ".265",
        ".3gp",
        ".asf",
        ".av1",
        ".avi",
        ".dv",
        ".flv",
        ".gif",
        ".h264",
        ".h265",
        ".hevc",
        ".ivf",
        ".m2ts",
        ".m2v",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".nut",
        ".obu",
        ".ogv",
        ".rm",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
        ".y4m",
    ]
)
"""In lower case, with the dot."""
