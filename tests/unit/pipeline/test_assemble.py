"""Times of images over all segments."""

from __future__ import annotations

import pytest

from vsr.errors import VerificationError
from vsr.media.packets import PacketTable, PacketTimes
from vsr.pipeline.assemble import _times
from vsr.pipeline.sidecar import SegmentResult


def _result(index: int, *pts: int) -> SegmentResult:
    packets = PacketTable.of(PacketTimes(time, is_key=True, size=1) for time in pts)
    return SegmentResult(index, "key", 0, 1, packets, "digest", 0.0, "me")


def test_times_rise_over_segments() -> None:
    assert _times([_result(0, 0, 4, 2), _result(1, 6, 10, 8)]).tolist() == [0, 2, 4, 6, 8, 10]


@pytest.mark.parametrize("second", [(4, 6), (3, 6)])
def test_segments_that_overlap_in_time_are_refused(second: tuple[int, int]) -> None:
    with pytest.raises(VerificationError, match=f"shown at {second[0]}, after one at 4"):
        _times([_result(0, 0, 4, 2), _result(1, *second)])
