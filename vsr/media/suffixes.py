"""File name extensions by which videos are found in folders; files named outright may have any."""

from __future__ import annotations

__all__ = ["VIDEO_SUFFIXES"]

_OF_FILES = """
    mp4 m4v mov qt mj2 psp ismv f4v 3gp 3g2 3gpp 3gp2 lrv lrf insv 360
    mkv mk3d webm nut avi divx amv asf wmv wm dvr-ms wtv flv kux ogv ogm
    ts tp trp m2t mts m2ts tod mpg mpeg mpe m2p vob vro evo mod pva ty
    mxf gxf lxf dv dif dav ifv nsv nuv rm rmvb ivr viv swf
    bik bk2 smk roq thp mve mvi usm xmv moflex mods flm cdxl yop bmv fli flc pdv
    imx sga gif apng ser cine y4m
"""
_OF_STREAMS = """
    264 h264 avc h26l 265 h265 hevc 266 h266 vvc h261 h263 m1v m2v mpv av1 obu ivf evc apv
    avs2 avs3 vc1 rcv mjpeg mjpg ipu drc
"""

VIDEO_SUFFIXES = frozenset(f".{name}" for name in (_OF_FILES + _OF_STREAMS).split())
"""In lower case, with the dot: what FFmpeg's demuxers of video call theirs, and what cameras and recorders do.

Left out are names that other things bear far more often: ``.avs`` (scripts), ``.dat``, ``.ogg``, ``.str``, ``.xl``.
"""
