"""What tests of workers and machines share: a clip of many segments, and what comes out of it."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from ray_runs import MANY_FRAMES, RAY_SETTINGS

import vsr


@pytest.fixture(scope="session")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty segments of small frames."""
    path = tmp_path_factory.mktemp("many") / "many.mp4"
    rng = np.random.default_rng(5)
    image = rng.integers(0, 255, (48 + MANY_FRAMES // 8, 64, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for number in range(MANY_FRAMES):
            part = image[number // 8 : number // 8 + 48]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(part), "rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def whole(many: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What this process alone makes of it."""
    target = tmp_path_factory.mktemp("whole") / "out.mp4"
    vsr.upscale(many, target, settings=RAY_SETTINGS)
    return target.read_bytes()
