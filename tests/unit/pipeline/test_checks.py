"""What an assembled file is refused for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from vsr import api
from vsr.errors import VerificationError
from vsr.media.inspect import StreamDigest
from vsr.pipeline.checks import check_copied

Clips = Callable[[str], Path]
_VIDEO = StreamDigest(0, "video", "h264", 60, 9000, Fraction(1, 12800), Fraction(0), "aa")
_SOUND = StreamDigest(1, "audio", "aac", 25, 4800, Fraction(1, 48000), Fraction(0), "bb")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({}, None),
        ({"num_packets": 47}, None),
        ({"num_bytes": 4900, "sha256": "cc"}, None),  # some containers wrap each packet
        ({"num_packets": 47, "num_bytes": 4700}, "has 25 packets, 47 were copied"),
        ({"num_packets": 24, "sha256": "cc"}, "has 25 packets, 24 were copied"),
        ({"num_packets": 47, "first_seconds": Fraction(1, 100)}, "starts 0.010000 s from its place"),
    ],
)
def test_copied_sound(clips: Clips, changes: dict[str, object], complaint: str | None) -> None:
    job = api.plan(clips("cfr"), "out.mp4", settings={"method": "lanczos"})
    output = [_VIDEO, replace(_SOUND, **changes)]  # type: ignore[arg-type]
    if complaint is None:
        check_copied(job, [_VIDEO, _SOUND], output, Fraction(0))
        return
    with pytest.raises(VerificationError, match=complaint):
        check_copied(job, [_VIDEO, _SOUND], output, Fraction(0))
