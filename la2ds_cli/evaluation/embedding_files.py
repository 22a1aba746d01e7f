"""Embeddings that other code computed, under evaluation beside networks of la2ds: a folder with
CLIP.npy for each clip, named by its id in the project.

The files hold whole clips, so a trimmed clip takes the rows of the frames that are left. A network
of la2ds sees the trimmed clip alone, while these rows were computed with knowledge of what was cut
off; a note of every evaluation says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from la2ds_cli.alignment.consensus import choose_references
from la2ds_cli.core.clip import check_id
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.evaluation.aligners import Aligner, Direct, ThroughClips
from la2ds_cli.evaluation.features import (
    FeatureSet,
    Uses,
    Variant,
    each,
    through_clips,
)

NAME = "embeddings"  # of the feature set
SUFFIX = ".npy"


def embedding_sets(
    folders: Sequence[Path],
    scored: Iterable[PoseSequence],
    training: Sequence[PoseSequence],
    align: AlignConfig,
    warnings: list[str],
) -> tuple[list[FeatureSet], dict[str, str]]:
    """A feature set for each folder, and the digest of the files that were read of each, by the
    name of the folder.

    scored: poses of the whole clips that are scored or fitted on. training: those among which
    reference clips are chosen. Clips are aligned by these embeddings alone, directly and through
    reference clips: neither the joints' movement nor the base model is added. Raises UserError for
    two folders of one name (exit 2), and as EmbeddingFiles does.
    """
    names = [folder_name(folder) for folder in folders]
    if len(set(names)) < len(names):
        raise UserError(
            f"two folders of embeddings have the same name: {', '.join(names)}",
            hint="rename one; results are told apart by the names of the folders",
        )
    references = choose_references(training, align)
    clips = {pose.clip: pose for pose in (*scored, *references)}
    sets, digests = [], {}
    for name, folder in zip(names, folders, strict=True):
        files = EmbeddingFiles(folder, list(clips.values()))
        sets.append(_feature_set(name, files, references, align))
        digests[name] = files.digest
    if folders:
        warnings.append(
            "imported embeddings are of whole clips: of a trimmed clip they are the rows of the "
            "remaining frames, computed with knowledge of what was cut off"
        )
        warnings.append("whether imported embeddings were trained on test clips is unknown")
    return sets, digests


def folder_name(folder: Path) -> str:
    """The name of a folder in results. Raises UserError (exit 2) if it cannot name a file."""
    name = folder.resolve().name
    try:
        check_id(name)
    except ValueError as error:
        raise UserError(
            f"the folder {folder} cannot name results: {error}", hint="rename the folder"
        ) from error
    return name


def _feature_set(
    name: str, files: EmbeddingFiles, references: Sequence[PoseSequence], align: AlignConfig
) -> FeatureSet:
    views = each(files)
    uses = Uses("embeddings of the files", other_clips=len(references))
    ends = "open" if align.open_ends else "closed"
    aligned = f"{align.method}, {ends} ends"
    if references:
        aligned += f", {through_clips(references)}"
        aligner: Aligner = ThroughClips(lambda: views(references), align)
    else:
        aligner = Direct(align)
    variant = Variant(aligned, views, aligner, f"{NAME} {name}", uses, views)
    description = f"embeddings of the files in {name}, rows of trimmed clips out of whole clips"
    return FeatureSet(NAME, description, f"{uses}; aligned by {aligned}", (variant,), name)


class EmbeddingFiles:
    """The embeddings of clips in FOLDER/CLIP.npy: called with the poses of one of the clips, or a
    part of them, the rows (T, D) float32 of their frames. digest: of the contents of all files.

    Each file holds finite numbers (frames, D), a row for each frame of the clip's poses, with the
    same D in all files. Nothing in a file is ever executed (`allow_pickle` is off).

    Raises UserError: exit 3 if the folder is missing or a file cannot be read, 4 if it lacks files
    of some clips, 5 for rows that do not fit the clip, for different D, and for numbers that are
    not finite.
    """

    def __init__(self, folder: Path, clips: Sequence[PoseSequence]) -> None:
        if not folder.is_dir():
            raise UserError(
                f"{folder} is not a folder of embeddings", exit_code=ExitCode.UNREADABLE, hint=_HINT
            )
        missing = [p.clip for p in clips if not (folder / f"{p.clip}{SUFFIX}").is_file()]
        if missing:
            more = f", nor files of {len(missing) - 1} other clips" if len(missing) > 1 else ""
            raise UserError(
                f"{folder} has no {missing[0]}{SUFFIX}{more}",
                hint=f"{_HINT}; needed are {len(clips)} clips",
                exit_code=ExitCode.UNUSABLE,
            )
        self._time = {pose.clip: pose.time for pose in clips}
        self._value: dict[str, FloatArray] = {}
        digest = hashlib.sha256()
        for pose in sorted(clips, key=lambda p: p.clip):
            path = folder / f"{pose.clip}{SUFFIX}"
            value = read_embedding_file(path)
            width = next(iter(self._value.values()), value).shape[1]
            if len(value) != len(pose) or value.shape[1] != width:
                raise UserError(
                    f"{path} has {len(value)} rows of {value.shape[1]} numbers, expected "
                    f"{len(pose)} rows (the frames of the clip's poses) of {width}",
                    hint=_HINT,
                    exit_code=ExitCode.MISMATCH,
                )
            self._value[pose.clip] = value
            digest.update(f"{pose.clip}\0{value.shape}\0".encode() + value.tobytes())
        self.digest = digest.hexdigest()

    def __call__(self, pose: PoseSequence) -> FloatArray:
        return self._value[pose.clip][np.searchsorted(self._time[pose.clip], pose.time)]


_HINT = (
    "write CLIP.npy for each clip of videos.csv with numpy.save: (frames, D) numbers, a row for "
    "each frame of its poses (docs/explanation/metrics.md)"
)


def read_embedding_file(path: Path) -> FloatArray:
    """(T, D) float32, T and D at least 1, finite, from a file of numpy.save. Raises UserError:
    exit 3 if the file is not one, 5 if it holds something else."""
    try:
        # Mapped, so that a header that claims more than the file holds allocates nothing.
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(
            f"{path} cannot be read as a file of numpy.save: {error}",
            hint=_HINT,
            exit_code=ExitCode.UNREADABLE,
        ) from error
    if not isinstance(stored, np.ndarray) or stored.ndim != 2 or stored.dtype.kind not in "fiu":
        what = f"{stored.dtype} {stored.shape}" if isinstance(stored, np.ndarray) else "an archive"
        raise UserError(
            f"{path} holds {what}, expected numbers (frames, D)",
            hint=_HINT,
            exit_code=ExitCode.MISMATCH,
        )
    with np.errstate(over="ignore"):
        value = np.array(stored, np.float32)
    if not value.size or not np.isfinite(value).all():
        problem = "is empty" if not value.size else "holds numbers that are not finite in float32"
        raise UserError(f"{path} {problem}", hint=_HINT, exit_code=ExitCode.MISMATCH)
    return value
