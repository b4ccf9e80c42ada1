"""What containers for other programs (YUV4MPEG2, NUT) say of a video, and what of it they cannot."""

from __future__ import annotations

from vsr.media.color import COLOR_NAMES
from vsr.media.encode import EncoderSpec
from vsr.media.probe import MediaInfo, VideoInfo
from vsr.media.y4m import Scanning, names_chroma_site

__all__ = ["find_lost_in_raw", "scanning"]


def scanning(video: VideoInfo, deinterlace: str, out_height: int) -> Scanning:
    """How lines belong to fields: fields that are left as they are stay in place only at the source's height."""
    if deinterlace != "off" or not video.interlaced:
        return "progressive"
    if out_height != video.height or video.field_order not in ("top first", "bottom first"):
        return "unknown"
    return "top first" if video.field_order == "top first" else "bottom first"


def find_lost_in_raw(info: MediaInfo, container: str, encoder: EncoderSpec) -> list[str]:
    """What ``container`` has no place for, in words; nothing for those that people keep."""
    if container not in ("y4m", "nut"):
        return []
    video, is_y4m = info.video, container == "y4m"
    lost = []
    if encoder.codec.name == "raw":
        lost.append(f"colour tags: .{container} does not say {_color(encoder, is_y4m)}; tell the program that reads it")
    if is_y4m:
        rate = encoder.frame_rate
        lost.append(f"times: y4m holds one constant rate, {rate} frames a second, counted from the first one")
    if video.display:
        lost.append(f"rotation: .{container} has no place for it")
    if (video.mastering or video.content_light) and encoder.codec.name in ("raw", "ffv1"):
        lost.append(f"HDR mastering display and light level: .{container} has no place for them")
    if is_y4m and info.num_chapters:
        lost.append("chapters: y4m has no place for them")
    if is_y4m and video.timecode:
        lost.append("timecode: y4m has no place for it")
    return lost


def _color(encoder: EncoderSpec, is_y4m: bool) -> str:
    color = encoder.color
    codes = (("primaries", color.primaries), ("transfer", color.transfer), ("matrix", color.matrix))
    names = "/".join(COLOR_NAMES[table].get(code, str(code)) for table, code in codes)
    has_site = encoder.layout.family == "yuv" and not (is_y4m and names_chroma_site(encoder))
    return f"{names}, chroma {color.chroma_location}" if has_site else names
