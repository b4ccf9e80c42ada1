"""SDR as HDR: the light that an SDR display shows, by BT.2408; and by a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vsr.errors import InputError, ModelError, UsageError
from vsr.frames import ColorSpec, PixelLayout, VideoFrame
from vsr.media.layouts import LAYOUTS
from vsr.media.light import pq_decode, pq_encode
from vsr.media.probe import VideoInfo, probe_media
from vsr.methods import PASSES, Geometry, restore_shot
from vsr.methods.passes.sdr_to_hdr import SdrToHdrOptions, as_hdr
from vsr.networks.inverse_tone import InverseTone, read_inverse_tone

BT709 = ColorSpec(1, 1, 1, False, "left")
YUV = LAYOUTS["yuv420p"]
PASS = PASSES["sdr-to-hdr"]


def _frame(
    codes: tuple[float, ...], layout: PixelLayout, color: ColorSpec, height: int = 6, width: int = 9
) -> VideoFrame:
    planes = tuple(
        torch.full(layout.plane_size(number, width, height), code).to(layout.dtype) for number, code in enumerate(codes)
    )
    return VideoFrame(planes, layout, color, 3, 7, Fraction(1, 25))


def _made(frame: VideoFrame, **options: object) -> VideoFrame:
    geometry = Geometry(frame.width, frame.height, frame.width, frame.height)
    prepared = PASS.prepare(geometry, SdrToHdrOptions(**options), "cpu")  # type: ignore[arg-type]
    [made] = restore_shot(prepared, geometry, [frame])
    return made


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Small random weights, as the authors' file names and lays them out."""
    torch.manual_seed(1)
    network, tensors = InverseTone(), {}
    for number, layer in enumerate(network.layers, 1):
        tensors[f"conv_{number}f_HDR"] = (0.1 * layer.weight.detach()).permute(2, 3, 1, 0).contiguous()
        tensors[f"conv_{number}b_HDR"] = 0.1 * layer.bias.detach()
    save_file(tensors, tmp_path / "itm.safetensors")
    return tmp_path / "itm.safetensors"


@pytest.mark.parametrize(
    ("code", "nits"), [(16, 0.0), (126, 203 * ((126 - 16) / 219) ** 2.4), (235, 203.0), (255, 203 * (239 / 219) ** 2.4)]
)
def test_greys_have_the_light_of_a_display(code: int, nits: float) -> None:
    """White is 203 cd/m², as BT.2408 has it; what is brighter than white is kept; grey stays grey."""
    made = _made(_frame((code, 128, 128), YUV, BT709))
    assert (made.layout.name, made.color) == ("yuv420p10le", ColorSpec(9, 16, 9, False, "left"))
    assert (made.ordinal, made.pts) == (3, 7)
    expected = 64 + 876 * float(pq_encode(torch.tensor(nits)))
    torch.testing.assert_close(made.planes[0], torch.full((6, 9), expected), rtol=0, atol=0.05)
    for chroma in made.planes[1:]:
        torch.testing.assert_close(chroma, torch.full((3, 5), 512.0), rtol=0, atol=0.05)


def test_red_of_bt709_in_bt2020() -> None:
    """Full red of RGB: 0.6274, 0.0691 and 0.0164 of white's light, chroma as fine as it was."""
    made = _made(_frame((255, 0, 0), LAYOUTS["gbrp"], ColorSpec(1, 13, 0, True)), white_nits=100.0)
    assert (made.layout.name, made.color.matrix) == ("yuv444p10le", 9)
    y, cb, cr = ((float(p[0, 0]) - o) / s for p, o, s in zip(made.planes, (64, 512, 512), (876, 896, 896), strict=True))
    red, blue = y + 1.4746 * cr, y + 1.8814 * cb
    green = (y - 0.2627 * red - 0.0593 * blue) / 0.678
    found = [float(pq_decode(torch.tensor(one))) for one in (red, green, blue)]
    assert found == pytest.approx([62.74, 6.91, 1.64], rel=0.01)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p16le", "yuv411p", "gbrp", "gbrp12le"])
@pytest.mark.parametrize("size", [(1, 1), (7, 5)], ids=str)
def test_every_layout(name: str, size: tuple[int, int]) -> None:
    layout = LAYOUTS[name]
    generator = torch.Generator().manual_seed(2)
    planes = tuple(
        (torch.rand(layout.plane_size(number, *size), generator=generator) * layout.peak).round().to(torch.int32)
        for number in range(3)
    )
    color = BT709 if layout.family == "yuv" else ColorSpec(1, 13, 0, True)
    made = _made(VideoFrame(planes, layout, color, 0, 0, Fraction(1)))
    assert (made.layout.family, made.layout.chroma_shift_x) == ("yuv", min(1, layout.chroma_shift_x))
    assert made.layout.bit_depth == (12 if layout.bit_depth >= 12 else 10)
    for number, plane in enumerate(made.planes):
        assert plane.dtype == torch.float32
        assert tuple(plane.shape) == made.layout.plane_size(number, *size)
        assert bool(plane.isfinite().all())


def test_what_the_encoder_is_given(clips: Callable[[str], Path]) -> None:
    """Tags, a display that shows all of it, and light that no pixel surpasses; the clip is BT.601, 525 lines."""
    video = probe_media(clips("plain")).video
    plain = as_hdr(video, SdrToHdrOptions())
    assert plain.layout.bit_depth == 10
    assert (plain.color.primaries, plain.color.transfer, plain.color.matrix) == (9, 16, 9)
    assert plain.mastering is not None
    assert plain.mastering.max_luminance == 251  # of the highest code above white
    assert plain.mastering.x265().startswith("G(15500,29750)B(7750,3500)R(31500,17000)WP(15635,16450)L(2510000,1)")
    assert (plain.content_light.max_cll, plain.content_light.max_fall) == (251, 0)  # type: ignore[union-attr]
    invented = as_hdr(video, SdrToHdrOptions(network="x", peak_nits=600))
    assert invented.mastering is not None
    assert invented.mastering.x265().startswith("G(8500,39850)B(6550,2300)R(35400,14600)WP(15635,16450)L(6000000,1)")


def _other(video: VideoInfo, what: str) -> VideoInfo:
    return {
        "PQ": replace(video, color=ColorSpec(9, 16, 9)),
        "HLG": replace(video, color=ColorSpec(9, 18, 9)),
        "BT.2020": replace(video, color=ColorSpec(9, 14, 9)),
        "linear": replace(video, color=ColorSpec(1, 8, 0)),
        "grey": replace(video, layout=LAYOUTS["gray"]),
        "alpha": replace(video, layout=LAYOUTS["yuva420p"]),
        "float": replace(video, layout=LAYOUTS["gbrpf32le"]),
    }[what]


@pytest.mark.parametrize("what", ["PQ", "HLG", "BT.2020", "linear", "grey", "alpha", "float"])
def test_other_video_is_refused(what: str, clips: Callable[[str], Path]) -> None:
    with pytest.raises(UsageError, match="sdr-to-hdr takes"):
        as_hdr(_other(probe_media(clips("plain")).video, what), SdrToHdrOptions())


@pytest.mark.parametrize("options", [{"white_nits": 20.0}, {"white_nits": float("nan")}, {"peak_nits": 20_000.0}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="sdr-to-hdr takes"):
        SdrToHdrOptions(**options)


def test_frames_of_another_size_are_refused() -> None:
    prepared = PASS.prepare(Geometry(8, 8, 8, 8), SdrToHdrOptions(), "cpu")
    with pytest.raises(InputError, match="9x6"):
        list(prepared.open(Geometry(8, 8, 8, 8)).restore([_frame((16, 128, 128), YUV, BT709)]))


def _plain_network(network: InverseTone, y: Tensor, chroma: Tensor) -> Tensor:
    """Of codes of 8 bits, in codes of 10 bits."""
    with torch.no_grad():
        return 1023 * network(torch.stack([y, chroma, chroma])[None] / 255)[0]


def test_the_network_is_given_codes_and_gives_codes(weights: Path) -> None:
    """BT.709 over 255 in, BT.2020 with PQ over 1023 out; strips do not show, and peaks are cut."""
    generator = torch.Generator().manual_seed(3)
    y = torch.randint(16, 236, (150, 20), generator=generator, dtype=torch.uint8)
    chroma = torch.full((150, 20), 128, dtype=torch.uint8)
    frame = VideoFrame((y, chroma, chroma), LAYOUTS["yuv444p"], BT709, 0, 0, Fraction(1))
    made = _made(frame, network=str(weights), peak_nits=10_000.0)
    network, _ = read_inverse_tone(weights)
    expected = _plain_network(network, y.float(), chroma.float())
    inside = (expected[0] > 150) & (expected[0] < 800)
    torch.testing.assert_close(made.planes[0][inside], expected[0][inside], rtol=0, atol=0.5)
    cut = _made(frame, network=str(weights), peak_nits=200.0)
    assert float(cut.planes[0].max()) <= 64 + 876 * float(pq_encode(torch.tensor(200.0))) + 0.01


def test_what_a_network_makes_is_generative(weights: Path) -> None:
    geometry = Geometry(8, 8, 8, 8)
    prepared = PASS.prepare(geometry, SdrToHdrOptions(network=str(weights)), "cpu")
    assert prepared.capabilities.evidence == "generative"
    assert PASS.prepare(geometry, SdrToHdrOptions(), "cpu").capabilities.evidence == "interpolation"
    recorded = {"options": {"network": str(weights)}, **prepared.describe()}
    assert PASS.is_as_recorded(json.loads(json.dumps(recorded)))
    assert not PASS.is_as_recorded({**recorded, "digest": "0" * 64})
    assert sum(value.numel() for value in InverseTone().parameters()) == 59_963


def test_files_without_such_weights_are_refused(tmp_path: Path, weights: Path) -> None:
    save_file({"body.weight": torch.zeros(3)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelError, match="has no conv_1f_HDR; sdr-to-hdr takes weights of the multi-purpose CNN"):
        read_inverse_tone(tmp_path / "other.safetensors")
    shapes = {"f": (3, 3, 3, 3), "b": (3,)}
    narrow = {f"conv_{n}{kind}_HDR": torch.zeros(shape) for n in range(1, 7) for kind, shape in shapes.items()}
    save_file(narrow, tmp_path / "narrow.safetensors")
    with pytest.raises(ModelError, match="of other sizes"):
        read_inverse_tone(tmp_path / "narrow.safetensors")


def test_a_video_that_becomes_another_on_the_way_is_refused() -> None:
    geometry = Geometry(9, 6, 9, 6)
    restorer = PASS.prepare(geometry, SdrToHdrOptions(), "cpu").open(geometry)
    changed = _frame((64, 512, 512), LAYOUTS["yuv420p10le"], ColorSpec(9, 16, 9, False, "left"))
    with pytest.raises(InputError, match=r"changes at 0\.280 s: sdr-to-hdr takes SDR video"):
        list(restorer.restore([_frame((64, 128, 128), YUV, BT709), changed]))
