"""Embeddings that another program has computed: a folder with one file for each clip.

A file is `.npy` or `.safetensors`, named like the clip or its video, with one row of numbers for
each frame: (T, D). T is the number of frames of the clip's poses or, for a part of a film, also
that of the whole film. Files of `la2ds embed` are such files.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from la2ds_cli.core import regular_file
from la2ds_cli.core.artifact import ArtifactError, readable
from la2ds_cli.core.clip import Video, check_id
from la2ds_cli.core.clip_names import nfc
from la2ds_cli.core.errors import Mismatch, Unreadable, Unusable, UserError
from la2ds_cli.core.npy_array import read_npy
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.video.reader import probe, video_file

SUFFIXES = (".npy", ".safetensors")
MOST_BYTES = 1 << 32  # of all files together, which are kept in memory
_NAMED = 10  # clips that an error names
_FORM = "write one row of floating-point numbers for each frame: an array (frames, numbers)"


@dataclass(frozen=True)
class GivenEmbeddings:
    """Embeddings of whole clips.

    name: of the method. clips: id -> frame numbers (T,) and embedding (T, D) float32. digest: of
    all of them.
    """

    name: str
    clips: Mapping[str, tuple[np.ndarray, FloatArray]]
    digest: str = ""

    def of(self, pose: PoseSequence) -> FloatArray:
        """Return the rows (T, D) of a clip, or of a part that was cut from it."""
        frame, value = self.clips[pose.clip]
        row = np.searchsorted(frame, pose.frame)
        if not np.array_equal(frame[np.minimum(row, len(frame) - 1)], pose.frame):
            raise ValueError(f"frames of {pose.clip} that the whole clip does not have")
        return value[row]


def clock_of(name: str, poses: Iterable[PoseSequence]) -> GivenEmbeddings:
    """Return the share of each whole clip that has passed, (T, 1): what embeddings of whole clips
    may contain however a clip is trimmed afterwards."""
    return GivenEmbeddings(
        name,
        {
            pose.clip: (pose.frame, np.linspace(0, 1, len(pose), dtype=np.float32)[:, None])
            for pose in poses
        },
    )


def name_methods(folders: Sequence[Path], taken: Sequence[str]) -> dict[str, Path]:
    """Return the folder of each method by its name, which is the folder's.

    Parameters
    ----------
    folders: one for each method.
    taken: names that no method may have.

    Raises
    ------
    UserError: exit 3 for a folder that does not exist; 2 for a name that is taken, or of which no
        file can be named.
    """
    named: dict[str, Path] = {}
    for folder in folders:
        if not folder.is_dir():
            raise Unreadable(
                f"there is no folder {folder}",
                hint="--embeddings takes a folder with a .npy or .safetensors file for each clip",
            )
        name = folder.resolve().name
        try:
            check_id(name)
        except ValueError as error:
            raise UserError(
                f"the folder's name is the name of its method: {error}", hint="rename the folder"
            ) from None
        if name in (*taken, *named):
            raise UserError(
                f"a row of the table has the name '{name}' already, so {folder} cannot have it",
                hint="the folder's name is the name of its method: rename the folder",
            )
        named[name] = folder
    return named


def read_embeddings(
    folder: Path,
    name: str,
    project: StoredProject,
    needed: Iterable[PoseSequence],
    optional: Iterable[PoseSequence] = (),
) -> GivenEmbeddings:
    """Read the embeddings of clips of a project.

    Parameters
    ----------
    folder: with a file for each clip.
    name: of the method.
    project: the clips' project.
    needed: clips that must have a file.
    optional: clips whose file is read if there is one.

    Raises
    ------
    UserError: exit 3 for clips without a file, all of them named, and for a file that is no array
        or too large; 4 for one that is not (frames, numbers), or not finite floating-point
        numbers; 5 for another number of frames than the clip has, for clips with different numbers
        in a frame, and for two files of one clip.
    """
    videos = project.posed_videos()
    files = _files_of(folder, videos)
    poses = {pose.clip: pose for pose in needed}
    if missing := [video for video in videos if video.id in poses and video.id not in files]:
        raise _missing(folder, missing, len(poses))
    poses |= {pose.clip: pose for pose in optional if pose.clip in files}
    total = sum(files[clip].stat().st_size for clip in poses)
    if total > MOST_BYTES:
        raise Unreadable(
            f"the embeddings in {folder} have {total:,} bytes, at most {MOST_BYTES:,} are read",
            hint="store float16, or fewer numbers for a frame",
        )
    by_id = {video.id: video for video in videos}
    values = {clip: read_embedding(files[clip]) for clip in sorted(poses)}
    _check_widths({files[clip]: value for clip, value in values.items()})
    rows = _rows_of({by_id[clip]: (poses[clip], value) for clip, value in values.items()}, project)
    digest = hashlib.sha256()
    for clip, value in rows.items():
        digest.update(f"{clip} {value.shape} ".encode() + value.astype("<f4").tobytes())
    clips = {clip: (poses[clip].frame, value) for clip, value in rows.items()}
    return GivenEmbeddings(name, clips, digest.hexdigest())


# --- which file belongs to which clip ------------------------------------------------------------


def names_of(videos: Sequence[Video]) -> dict[str, list[str]]:
    """Return the names that a file of each clip may have, by id: the id and, where no other clip
    has the same, the file name of the video, with or without its ending."""
    more = {v.id: [v.name, Path(v.path).name, Path(v.path).stem] for v in videos}
    count = Counter(nfc(name) for names in more.values() for name in set(names))
    return {
        clip: [clip, *dict.fromkeys(name for name in names if count[nfc(name)] == 1)]
        for clip, names in more.items()
    }


def _files_of(folder: Path, videos: Sequence[Video]) -> dict[str, Path]:
    """Return the file of each clip that has one, by id. Raises UserError (exit 3, 5)."""
    found: dict[str, list[Path]] = {}
    try:
        for path in sorted(folder.iterdir()):
            if path.suffix in SUFFIXES:
                found.setdefault(nfc(path.name.removesuffix(path.suffix)), []).append(path)
    except OSError as error:
        raise Unreadable(f"{folder} cannot be read: {error.strerror}", hint="check it") from error
    files = {}
    for clip, names in names_of(videos).items():
        own = [path for name in {nfc(name): 0 for name in names} for path in found.get(name, ())]
        if len(own) > 1:
            shown = " and ".join(path.name for path in own[:2])
            raise Mismatch(
                f"{folder} has two files of clip {clip}: {shown}", hint="delete or rename one"
            )
        if own:
            files[clip] = own[0]
    return files


def _missing(folder: Path, videos: Sequence[Video], needed: int) -> UserError:
    shown = ", ".join(video.id for video in videos)
    return Unreadable(
        f"{folder} has no embeddings of {len(videos)} of {needed} clips: {shown}",
        hint=f"name each file after its clip or video, such as {videos[0].id}.npy"
        + _or_stem(videos[0])
        + _other_kinds(folder, videos),
    )


def _other_kinds(folder: Path, videos: Sequence[Video]) -> str:
    """Return what to do with files of another kind that have names of clips; empty without any."""
    names = {nfc(name) for own in names_of(videos).values() for name in own}
    named = (path for path in folder.iterdir() if nfc(path.stem) in names)
    kinds = sorted({path.suffix for path in named if path.suffix})
    if not kinds:
        return ""
    return f"; {' and '.join(kinds)} files are not read: write each array with numpy.save"


def _or_stem(video: Video) -> str:
    stem = Path(video.path).stem
    return f" or, if no other clip is from such a file, {stem}.npy" if stem != video.id else ""


# --- what a file holds ---------------------------------------------------------------------------


def read_embedding(path: Path) -> FloatArray:
    """Return the array (T, D) float32 of a file.

    Raises UserError, exit 3 or 4, as `read_embeddings`.
    """
    read = _read_npy if path.suffix == ".npy" else _read_safetensors
    try:
        with readable(path):
            value = read(path)
    except ArtifactError as error:
        raise Unreadable(error.message, hint=_FORM) from error
    if value.dtype.kind != "f":
        raise Unusable(f"{path} holds {value.dtype}, not floating-point numbers", hint=_FORM)
    if value.ndim != 2 or not value.size:
        raise Unusable(f"{path} holds an array {value.shape}, not (frames, numbers)", hint=_FORM)
    with np.errstate(over="ignore"):
        value = value.astype(np.float32)
    if not (finite := np.isfinite(value).all(axis=1)).all():
        row = int(finite.argmin())
        raise Unusable(
            f"{path} has values that are not finite numbers, first in row {row}",
            hint="every frame needs numbers, also one in which nobody is seen",
        )
    return value


def _read_npy(path: Path) -> np.ndarray:
    with regular_file.opened(path) as handle:
        return read_npy(handle)


def _read_safetensors(path: Path) -> np.ndarray:
    """Return the only array of a .safetensors file, or that called `value`, as in files of `la2ds
    embed`."""
    from safetensors.numpy import load

    arrays = load(regular_file.content(path))
    if len(arrays) != 1 and "value" not in arrays:
        names = ", ".join(sorted(arrays)[:_NAMED]) or "none"
        raise ValueError(f"it should hold one array, or one called value; it holds {names}")
    return arrays["value"] if "value" in arrays else next(iter(arrays.values()))


def _check_widths(values: Mapping[Path, FloatArray]) -> None:
    widths = {value.shape[1]: path for path, value in values.items()}
    if len(widths) > 1:
        (one, first), (other, second) = list(widths.items())[:2]
        raise Mismatch(
            f"{first.name} has {one} numbers for each frame, but {second.name} has {other}",
            hint="compute all embeddings by one network",
        )


def _rows_of(
    clips: Mapping[Video, tuple[PoseSequence, FloatArray]], project: StoredProject
) -> dict[str, FloatArray]:
    """Return the rows of the frames of the poses, by id. Raises UserError (exit 5)."""
    rows, wrong = {}, []
    for video, (pose, value) in clips.items():
        if len(value) == len(pose):
            rows[video.id] = value
            continue
        film = frames_of_film(project, video) if video.options else 0
        if len(value) == film > pose.frame[-1]:
            rows[video.id] = value[pose.frame]
        else:
            wrong.append((video, len(value), len(pose), film))
    if wrong:
        video, got, frames, film = wrong[0]
        others = f" (and {len(wrong) - 1} more clips)" if len(wrong) > 1 else ""
        or_film = f" or {film}, those of its film" if film else ""
        raise Mismatch(
            f"the embedding of clip {video.id} has {got} rows, expected {frames}, the frames of "
            f"its poses{or_film}{others}",
            hint="write a row for every frame, and leave none out",
        )
    return rows


def frames_of_film(project: StoredProject, video: Video) -> int:
    """Return the number of frames that a clip's film says it has; 0 = unknown."""
    film = video_file(project, video)
    return probe(film.path).frames_declared if film is not None else 0
