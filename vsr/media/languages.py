"""Languages of streams in the codes that a container keeps.

MOV numbers languages; FFmpeg's muxer writes a number for the codes in its table, one for each language, and drops all
others. MP4 keeps any code of three letters, Matroska any text.
"""

from __future__ import annotations

import re

__all__ = ["language_in"]

_CODES_OF_MOV = """
    alb amh ara arm asm aym aze baq bel ben bul bur cat ces chi dan dut dzo eng epo est fin fra geo ger gre grn guj
    heb hin hun ice ind iri ita jav jpn kan kas kaz khm kin kir kor kur lao lat lav lit mac mal mar may mlg mlt mol
    mon nep nor nya ori orm per pol por pus que ron run rus san sin slk slv snd som spa sve swa tam tat tel tgk tgl
    tha tib tir tuk tur uig ukr urd uzb vie wel yid
"""
_OF_MOV = frozenset(_CODES_OF_MOV.split())
_SAME = {  # the two codes of ISO 639-2 for one language, and QuickTime's own for Swedish
    "bod": "tib",
    "cym": "wel",
    "cze": "ces",
    "deu": "ger",
    "ell": "gre",
    "eus": "baq",
    "fas": "per",
    "fre": "fra",
    "hye": "arm",
    "isl": "ice",
    "kat": "geo",
    "mkd": "mac",
    "msa": "may",
    "mya": "bur",
    "nld": "dut",
    "rum": "ron",
    "slo": "slk",
    "sqi": "alb",
    "swe": "sve",
    "zho": "chi",
}


def language_in(container: str, code: str) -> str | None:
    """What ``container`` (``mp4``, ``mov``, ``mkv`` …) is given for the language ``code``; None where it has no place.

    "und", which says nothing, is kept anywhere.
    """
    if container == "mov" and code != "und":
        same = _SAME.get(code, code)
        return same if same in _OF_MOV else None
    if container == "mp4":
        return code if re.fullmatch("[a-z]{3}", code) else None
    return code
