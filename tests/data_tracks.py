"""Videos with tracks that no container here holds, for tests."""

from __future__ import annotations

from pathlib import Path

from videos import X264, encode, scene, tone

__all__ = ["camera_clip"]


def camera_clip(path: Path, code: bytes, handler: bytes = b"meta") -> Path:
    """An MP4 with sound, whose third track has the four-character code ``code``: a track of text made over."""
    words = path.with_suffix(".srt")
    words.write_text("1\n00:00:00,000 --> 00:00:00,200\nfirst\n\n2\n00:00:00,200 --> 00:00:00,400\nsecond\n")
    options = (*X264, "-c:a", "aac", "-c:s", "mov_text", "-map", "0", "-map", "1", "-map", "2")
    encode(path, scene(10, 64, 48), *options, inputs=(*tone(0.4), "-i", str(words)))
    data = bytearray(path.read_bytes())
    track = data.rfind(b"trak")
    place = data.find(b"hdlr", track) + 12
    assert data[place : place + 4] == b"sbtl"
    data[place : place + 4] = handler
    entry = data.find(b"tx3g", track)
    data[entry : entry + 4] = code
    path.write_bytes(bytes(data))
    return path
