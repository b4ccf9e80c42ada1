"""Sizes of a few packets are read near their place, and are those of a pass over the whole file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest

from vsr.media import inspect
from vsr.media.inspect import packet_sizes


@pytest.mark.parametrize("name", ["plain", "mpeg2_ts", "vfr", "open_gop_h264"])
def test_they_are_those_of_the_whole_file(
    clips: Callable[[str], Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with av.open(str(clips(name))) as container:
        index = container.streams.video[0].index
        packets = [(p.pts, p.size) for p in container.demux(container.streams.video[0]) if p.size]
    for start in (0, len(packets) // 2, len(packets) - 4):
        times = {pts for pts, _ in sorted(packets)[start : start + 4]}
        assert packet_sizes(clips(name), index, times) == [size for pts, size in packets if pts in times]


def test_a_place_is_found_without_reading_on(clips: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen, demux = [], inspect.demux
    monkeypatch.setattr(inspect, "demux", lambda *given: (seen.append(p) or p for p in demux(*given)))
    with av.open(str(clips("plain"))) as container:
        times = [p.pts for p in container.demux(container.streams.video[0]) if p.size]
    assert packet_sizes(clips("plain"), 0, set(times[:3]))
    assert len(seen) < len(times) / 2
