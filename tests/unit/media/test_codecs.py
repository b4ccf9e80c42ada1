"""Which codec and layout are chosen: a golden table of decisions."""

from __future__ import annotations

import pytest

from vsr.errors import UsageError
from vsr.media.codecs import CODECS, choose_codec, choose_layout, find_codec
from vsr.media.layouts import LAYOUTS, compare_layouts

DEFAULTS = [  # source layout, container, HDR, codec, layout written
    ("yuv420p", "mp4", False, "h264", "yuv420p"),
    ("yuv420p", "mkv", False, "h264", "yuv420p"),
    ("yuv422p", "mov", False, "h264", "yuv422p"),
    ("yuv444p", "mp4", False, "h264", "yuv444p"),
    ("yuv440p", "mp4", False, "h264", "yuv444p"),
    ("yuv411p", "mp4", False, "h264", "yuv422p"),
    ("yuv410p", "mkv", False, "h264", "yuv420p"),
    ("gray", "mp4", False, "h264", "gray"),
    ("gbrp", "mp4", False, "h264", "gbrp"),
    ("yuv420p", "mp4", True, "hevc", "yuv420p"),
    ("yuv420p9le", "mp4", False, "hevc", "yuv420p10le"),
    ("yuv420p10le", "mp4", False, "hevc", "yuv420p10le"),
    ("yuv422p10le", "mov", False, "hevc", "yuv422p10le"),
    ("yuv420p12le", "mp4", True, "hevc", "yuv420p12le"),
    ("gbrp10le", "mp4", False, "hevc", "gbrp10le"),
    ("yuv420p14le", "mkv", False, "ffv1", "yuv420p14le"),
    ("yuv444p16le", "mkv", False, "ffv1", "yuv444p16le"),
    ("gray16le", "mkv", False, "ffv1", "gray16le"),
    ("gray16le", "mov", False, "ffv1", "gray16le"),
    ("yuva420p", "mkv", False, "ffv1", "yuva420p"),
    ("yuva444p10le", "mov", False, "ffv1", "yuva444p10le"),
    ("gbrap12le", "mkv", False, "ffv1", "gbrap12le"),
    ("gbrp", "png", False, "png", "gbrp"),
    ("yuv420p", "png", False, "png", "gbrp16le"),
    ("yuv420p10le", "tiff", False, "tiff", "gbrp16le"),
    ("gray10le", "png", False, "png", "gray16le"),
    ("gbrap", "png", False, "png", "gbrap"),
    ("yuva420p", "png", False, "png", "gbrap16le"),
    ("gbrp10le", "dpx", False, "dpx", "gbrp10le"),
    ("yuv420p", "dpx", False, "dpx", "gbrp12le"),
    ("yuv420p10le", "exr", False, "exr", "gbrpf32le"),
    ("gbrpf32le", "exr", False, "exr", "gbrpf32le"),
    ("gray", "exr", False, "exr", "grayf32le"),
]


@pytest.mark.parametrize(("source", "container", "hdr", "codec", "layout"), DEFAULTS)
def test_default_choices(source: str, container: str, hdr: bool, codec: str, layout: str) -> None:
    found = choose_codec(LAYOUTS[source], container, hdr)
    assert found.name == codec
    assert choose_layout(found, LAYOUTS[source], None).name == layout


@pytest.mark.parametrize(
    ("source", "container"),
    [("yuv420p16le", "mp4"), ("yuva420p", "mp4"), ("gbrap", "mp4"), ("gbrpf32le", "mkv"), ("gbrpf32le", "png")],
)
def test_what_no_codec_of_the_container_holds_is_refused_with_advice(source: str, container: str) -> None:
    with pytest.raises(UsageError, match=rf"no codec for \.{container} holds {source}.*(ffv1|exr) \(\."):
        choose_codec(LAYOUTS[source], container, hdr=False)


@pytest.mark.parametrize(
    ("codec", "source", "layout"),
    [
        ("av1", "yuv420p9le", "yuv420p10le"),
        ("prores", "yuv420p", "yuv422p10le"),
        ("prores", "yuv422p10le", "yuv422p10le"),
        ("prores", "yuv444p", "yuv444p10le"),
        ("prores", "yuva420p", "yuva444p10le"),
        ("hevc", "gray9le", "gray10le"),
        ("ffv1", "yuv422p14le", "yuv422p14le"),
    ],
)
def test_widening_is_as_little_as_possible(codec: str, source: str, layout: str) -> None:
    assert choose_layout(CODECS[codec], LAYOUTS[source], None).name == layout


@pytest.mark.parametrize(
    ("codec", "source"),
    [
        ("av1", "yuv422p"),
        ("av1", "yuv420p12le"),
        ("h264", "yuv420p12le"),
        ("h264", "yuva420p"),
        ("prores", "yuv422p12le"),
        ("prores", "gbrp"),
        ("png", "gbrpf32le"),
        ("hevc", "yuv420p14le"),
    ],
)
def test_what_would_lose_is_refused(codec: str, source: str) -> None:
    with pytest.raises(UsageError, match=rf"{codec} cannot hold {source}.*--pix-fmt"):
        choose_layout(CODECS[codec], LAYOUTS[source], None)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("source", LAYOUTS)
def test_a_choice_is_never_narrower(codec: str, source: str) -> None:
    try:
        found = choose_layout(CODECS[codec], LAYOUTS[source], None)
    except UsageError:
        assert all(compare_layouts(LAYOUTS[source], LAYOUTS[held]) == "narrower" for held in CODECS[codec].layouts)
    else:
        assert compare_layouts(LAYOUTS[source], found) != "narrower"
        assert found.name in CODECS[codec].layouts


def test_narrowing_needs_a_named_format() -> None:
    assert choose_layout(CODECS["h264"], LAYOUTS["yuv420p12le"], "yuv420p").name == "yuv420p"
    with pytest.raises(UsageError, match="h264 does not hold yuv420p12le"):
        choose_layout(CODECS["h264"], LAYOUTS["yuv420p"], "yuv420p12le")
    with pytest.raises(UsageError, match="did you mean 'yuv420p10le'"):
        choose_layout(CODECS["h264"], LAYOUTS["yuv420p"], "yuv420p10l")


@pytest.mark.parametrize(("alias", "name"), [("x264", "h264"), ("H265", "hevc"), ("svt-av1", "av1"), ("FFV1", "ffv1")])
def test_codecs_are_found_by_other_names(alias: str, name: str) -> None:
    assert find_codec(alias).name == name


def test_an_unknown_codec_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'prores'"):
        find_codec("prorez")
