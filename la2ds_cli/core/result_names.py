"""What a result is called that a person gave no name: after the files of its clips.

`anna-ben.png` is of anna.mp4 and ben.mp4. Where two clips of the project would have one name, or a
name cannot be part of a file's, the id of the clip stands in its place, so that no result replaces
that of other clips.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from la2ds_cli.core.clip import ClipOptions, Video, id_within
from la2ds_cli.core.clip_names import folded, nfc

_UNFIT = re.compile(r'[/\\:*?"<>|@]|--|^[-.]|-$')  # in file names; @ and -- stand between names
# What commands put behind the names of clips.
_END = re.compile(r"(^|-)(attempts|repetitions|repetition-\d+|pca|tsne|and-\d+-more)$")
_FOLDERS = ("align", "compare", "plot-embeddings", "report", "retrieve", "sync")  # of results/
_BYTES = 80  # two of them and an end make a name, of at most 255 bytes


def result_name(videos: Sequence[Video], *clips: Video) -> str:
    """Return the name of a result of some clips, without suffix: `anna-ben`.

    Names that have hyphens themselves are joined by two, so that the clips can be told from it:
    `anna-1--ben`.

    Parameters
    ----------
    videos : all clips of the project
    """
    names = [clip_name(videos, clip) for clip in clips]
    return ("--" if any("-" in name for name in names) else "-").join(names)


def clip_name(videos: Sequence[Video], clip: Video) -> str:
    """Return what stands for a clip in the name of a result: `anna`, `anna-t1.5-4` for a part,
    `anna-p2` for its second person, or its id."""
    name = _short_name(clip)
    if _UNFIT.search(name) or _END.search(name) or not name.isprintable():
        return clip.id
    if len(name.encode()) > _BYTES:
        return clip.id
    others = [other for other in videos if other.id != clip.id]
    taken = {folded(text) for other in others for text in (other.id, _short_name(other))}
    return clip.id if folded(name) in taken else name


def is_result_of(path: Path, name: str) -> bool:
    """Return whether a clip of this name is in the name of a file that `result_name` began."""
    found = re.search(rf"(^|-){re.escape(name)}(?=[-.@])", nfc(path.name))
    return path.parent.name in _FOLDERS and found is not None


def _short_name(clip: Video) -> str:
    """The file name without its suffix, or the readable part of an id, with part and person."""
    film = clip.name.removesuffix(f"#{clip.person}") if clip.person > 1 else clip.name
    if film == Path(clip.path).name:
        film = Path(film).stem
    part = ClipOptions.from_text(clip.options).part if clip.options else ""
    return nfc(id_within(film, part, clip.person))
