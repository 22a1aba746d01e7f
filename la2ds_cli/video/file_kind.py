"""The kind of a file, decided by its first bytes before FFmpeg or Pillow opens it.

FFmpeg guesses the format of a file and has demuxers for lists, which open the files that the list
names: one of these could be an endless pipe, or any file that the user may read. So the demuxer is
chosen here by the bytes, from those below, none of which opens a second file.
"""

from __future__ import annotations

import re
from enum import Enum, auto

LONGEST_HEAD = 1 << 13  # bytes that are read to decide


class Kind(Enum):
    """The kind of a file by its bytes."""

    VIDEO = auto()
    IMAGE = auto()
    SOUND = auto()
    TEXT = auto()
    PDF = auto()
    UNKNOWN = auto()


_ISO_BOXES = b"ftyp|moov|mdat|wide|free|skip|pnot|uuid|styp|sidx|moof|udta|prfl|junk"
# Start of a file -> FFmpeg's demuxer.
_VIDEOS = {
    rb"....(?:" + _ISO_BOXES + rb")": "mov",
    rb"RIFF....(?:AVI |AVIX|AMV )": "avi",
    rb"\x1a\x45\xdf\xa3": "matroska",
    rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "asf",
    rb"\xb7\xd8\x00\x20\x37\x49\xda\x11": "wtv",
    rb"FLV": "flv",
    rb"OggS": "ogg",
    rb"GIF8[79]a": "gif",
    rb"\x89PNG\r\n\x1a\n(?:(?!IDAT).)*acTL": "apng",
    rb"\x00\x00\x01\xba": "mpeg",
    rb"\x00\x00\x01\xb3": "mpegvideo",
    rb"\x00\x00\x01\xb0": "m4v",
    rb"\x00?\x00\x00\x01[\x09\x27\x47\x67]": "h264",
    rb"\x00?\x00\x00\x01[\x40\x42\x44\x46]\x01": "hevc",
    rb"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02\x01\x01": "mxf",
    rb"YUV4MPEG2 ": "yuv4mpegpipe",
    rb"DKIF": "ivf",
    rb"nut/multimedia container\x00": "nut",
    rb"\.RMF": "rm",
    rb"\x1f\x07\x00[\x3f\xbf]": "dv",
    # A recording may begin inside a packet, and packets of cameras have four extra bytes.
    rb".{0,207}?(?:\x47.{187}){4}\x47": "mpegts",
    rb".{0,207}?(?:\x47.{191}){4}\x47": "mpegts",
    rb".{0,207}?(?:\x47.{203}){4}\x47": "mpegts",
    rb"\x47.{187}\x47": "mpegts",
    rb".{4}\x47.{191}\x47": "mpegts",
}
_OTHERS = {
    rb"%PDF": Kind.PDF,
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|BM....\x00\x00\x00\x00|II\*\x00|MM\x00\*": Kind.IMAGE,
    rb"RIFF....WEBP|8BPS|\x00\x00\x00\x0cJXL |\x00\x00\x00\x0cjP  ": Kind.IMAGE,
    rb"ID3|fLaC|#!AMR|\.snd|RIFF....WAVE|FORM....AIF[FC]|\xff[\xe0-\xff]": Kind.SOUND,
}
_VIDEO_STARTS = [(re.compile(start, re.DOTALL), name) for start, name in _VIDEOS.items()]
_OTHER_STARTS = [(re.compile(start, re.DOTALL), kind) for start, kind in _OTHERS.items()]
_TEXT = re.compile(rb"[^\x00-\x08\x0e-\x1a\x1c-\x1f]+")  # bytes of text, in any encoding of bytes


def kind_of(head: bytes) -> tuple[Kind, str]:
    """Return the kind of a file, and FFmpeg's demuxer if it is a video, else an empty text.

    head: the first LONGEST_HEAD bytes of the file, or all of a shorter one.
    """
    for start, name in _VIDEO_STARTS:
        if start.match(head):
            return Kind.VIDEO, name
    for start, kind in _OTHER_STARTS:
        if start.match(head):
            return kind, ""
    return (Kind.TEXT if _TEXT.fullmatch(head) else Kind.UNKNOWN), ""
