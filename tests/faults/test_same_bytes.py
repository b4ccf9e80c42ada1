"""Equal frames give equal bytes, whatever happens to be in memory."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from vsr.media.codecs import CODECS

PROGRAM = """
import hashlib, sys, tempfile
from fractions import Fraction
from pathlib import Path
import numpy as np
from vsr.frames import ColorSpec
from vsr.media.codecs import CODECS
from vsr.media.encode import EncoderSpec, segment_sink
from vsr.media.layouts import LAYOUTS
width, height = 320, 240
noise = np.random.default_rng(3).integers(0, 256, (height + 50, width + 100)).astype(np.float64)
for axis in (0, 1):
    for _ in range(2):
        noise = sum(np.roll(noise, shift, axis) for shift in range(-2, 3)) / 5
noise = (noise - noise.min()) / (noise.max() - noise.min()) * 0.8
for name in sys.argv[1:]:
    codec = CODECS[name]
    layout = LAYOUTS[codec.layouts[0]]
    speed = "medium" if "medium" in codec.speeds else codec.default_speed
    color = ColorSpec(1, 1, 1, full_range=False, chroma_location="left")
    tick, rate, square = Fraction(1, 25), Fraction(25), Fraction(1)
    spec = EncoderSpec(codec, layout, color, width, height, tick, rate, square, codec.quality, speed, 2)
    dtype = np.uint8 if layout.bit_depth <= 8 else np.uint16
    with tempfile.TemporaryDirectory() as folder:
        sink = segment_sink(Path(folder) / "segment", spec)
        digest = hashlib.sha256()
        for n in range(44):
            sizes = [layout.plane_size(i, width, height) for i in range(layout.num_planes)]
            sink.write(tuple((noise[n:n + h, 2 * n:2 * n + w] * layout.peak).astype(dtype) for h, w in sizes), n)
        packets = sink.close()
        import av
        with av.open(str(Path(folder) / "segment")) as file:
            for packet in file.demux(video=0):
                digest.update(packet)
        print(name, digest.hexdigest())
"""


@pytest.mark.nightly
def test_encoders_do_not_read_memory_they_never_wrote() -> None:
    codecs = [name for name, spec in CODECS.items() if spec.kind == "video"]
    digests = []
    for filling in ("0", "1", "90"):  # glibc fills what it hands out with this byte's complement
        env = os.environ | {"MALLOC_PERTURB_": filling, "SVT_LOG": "1"}
        command = [sys.executable, "-c", PROGRAM, *codecs]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        digests.append(dict(line.split() for line in done.stdout.splitlines()))
    assert digests[0].keys() == set(codecs)
    assert digests[1] == digests[0]
    assert digests[2] == digests[0]
