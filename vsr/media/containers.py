"""What each output container holds beside the video."""

from __future__ import annotations

from vsr.media.covers import COVER_TYPES
from vsr.media.streams import StreamInfo

__all__ = ["holders", "holds"]

_ALL = ("mkv", "mov", "mp4")

_MP4_AUDIO = "aac ac3 eac3 mp3 mp2 alac flac opus dts truehd qcelp evrc vorbis mpegh_3d_audio"
_MOV_AUDIO = (
    "aac ac3 eac3 mp3 mp2 alac amr_nb amr_wb qdm2 qdmc mace3 mace6 adpcm_ima_qt adpcm_ima_wav adpcm_ms "
    "pcm_s8 pcm_u8 pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be "
    "pcm_f64le pcm_f64be pcm_alaw pcm_mulaw gsm qcelp evrc dts"
)
_MP4_PCM = "pcm_s16le pcm_s16be pcm_s24le pcm_s24be pcm_s32le pcm_s32be pcm_f32le pcm_f32be pcm_f64le pcm_f64be"
_MP4_VIDEO = "h264 hevc vvc av1 vp9 mpeg4 mpeg2video mpeg1video mjpeg png jpeg2000 dirac vc1"
_MOV_VIDEO = (
    "h264 hevc mpeg4 mpeg2video mpeg1video mjpeg png prores dnxhd cfhd qtrle rawvideo svq1 svq3 cinepak "
    "rpza smc v210 v308 v408 v410 r210 hap ffv1 jpeg2000 h263 gif tiff dvvideo"
)
_MKV_TEXT = "subrip ass ssa webvtt srt text hdmv_pgs_subtitle dvd_subtitle dvb_subtitle hdmv_text_subtitle arib_caption"
_MKV_NOT = "mov_text eia_608 timed_id3 tmcd none unknown xsub dvb_teletext ttml"

_HELD: dict[str, dict[str, frozenset[str]]] = {
    "mp4": {
        "audio": frozenset(f"{_MP4_AUDIO} {_MP4_PCM}".split()),
        "video": frozenset(_MP4_VIDEO.split()),
        "subtitle": frozenset(("mov_text", "dvd_subtitle", "ttml")),
        "cover": frozenset(COVER_TYPES),
    },
    "mov": {
        "audio": frozenset(_MOV_AUDIO.split()),
        "video": frozenset(_MOV_VIDEO.split()),
        "subtitle": frozenset(("mov_text", "eia_608")),
    },
    "y4m": {"video": frozenset(("rawvideo",))},
}


def holds(container: str, stream: StreamInfo) -> bool:
    """Whether ``stream`` can be copied into ``container`` (``mp4``, ``mov``, ``mkv``, ``nut``, ``y4m``) as it is."""
    if container == "nut":
        return stream.kind in ("audio", "video") and stream.codec not in _MKV_NOT.split()
    if stream.kind == "data":
        return _holds_data(container, stream)
    if container == "mkv":
        if stream.kind == "subtitle":
            return stream.codec in _MKV_TEXT.split()
        if stream.kind == "cover":
            return stream.codec in COVER_TYPES
        return stream.kind == "attachment" or (
            stream.kind in ("audio", "video") and stream.has_decoder and stream.codec not in _MKV_NOT.split()
        )
    return stream.codec in _HELD.get(container, {}).get(stream.kind, frozenset())  # images and animations: nothing


def _holds_data(container: str, stream: StreamInfo) -> bool:
    """FFmpeg writes any other data into MP4 under GoPro's name, and into MOV without any: unreadable in both."""
    if stream.codec == "timecode":
        return container == "mov"
    return container in ("mp4", "mov") and stream.tag == "gpmd"


def holders(stream: StreamInfo) -> tuple[str, ...]:
    """The containers here that can hold a copy of ``stream``."""
    return tuple(container for container in _ALL if holds(container, stream))
