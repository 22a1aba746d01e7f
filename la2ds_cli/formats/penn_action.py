"""Penn Action (Zhang et al., ICCV 2013): `labels/NNNN.mat`, 13 joints per frame, one action each.

Contents, counted over the data set: a joint that was never annotated has visibility 0 and is at
pixel (1, 1) of the frame before scaling to its final size, so anywhere from (0, 0) to (1.6, 1.6);
no annotated joint is near. Other joints with visibility 0 have the annotator's estimate. Small
coordinates are stored in small unsigned types. Coordinates are 1-based. There may be one box fewer
than frames.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.artifact import Recipe, file_digest, staleness
from la2ds_cli.core.batch import ItemResult, unexpected
from la2ds_cli.core.clip import Video, slug
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import MOST_PIXELS, FloatArray, IntArray, Phase, PoseSequence
from la2ds_cli.formats.checks import PoseFileError
from la2ds_cli.formats.mat_file import read_mat
from la2ds_cli.formats.phase_labels import Labels, check_phases, merge_phases, phases_of_labels
from la2ds_cli.formats.plain_pickle import DAMAGE
from la2ds_cli.poses.trust import with_trust

VERSION = 1
FPS = 20.0  # frame rate used for this data set (TCC, Table 7); the files do not hold one
HIDDEN_SCORE = 0.5  # of an estimated joint: usable, but less certain than a visible one
_UNSET = 2.0  # pixels: joints without visibility up to here on both axes were never annotated
_MOST_FRAMES = 100_000  # of a clip; the longest of the data set has 663
_MOST_BYTES = 64 << 20  # of a file, unpacked: 31 numbers of 8 bytes for each of those frames, twice
_BOX_SLACK = 2  # frames by which the box count may differ
_SPLITS = {1: "train", -1: "test"}


@dataclass(frozen=True)
class Clip:
    """One label file: its poses, its action and its split."""

    path: Path
    pose: PoseSequence
    action: str
    split: str


def import_penn_action(
    project: Project,
    root: Path,
    action: str | None,
    phases: Path | None = None,
    progress: Progress | None = None,
    carl_labels: Path | None = None,
) -> list[ItemResult]:
    """Import the clips of one action (None = all) from `root`/labels/NNNN.mat, without frames.

    Skeleton penn13, 20 fps. Visible joints get score 1, estimated ones keep their position with
    score 0.5, joints that were never annotated become NaN. The train flag becomes the split, the
    id is NNNN and 8 hex digits of the file's sha256. phases: CSV `video,start,end,phase` (video =
    NNNN), checked before anything is written and merged into the project's phases.csv, where labels
    of a person stay; or carl_labels: CARL's folder of label arrays, called `phase N`. An unreadable
    file becomes a failed item; a clip with unreadable labels is imported without phases as
    `degraded`. Raises UserError if the folder does not exist (exit 3), for an unknown action or
    both kinds of labels (exit 2), and for a phase row that does not fit (exit 5).
    """
    progress = progress or Progress()
    if phases is not None and carl_labels is not None:
        raise UserError(
            "--phases and --carl-labels cannot be given together",
            hint="name the labels that the clips should have",
        )
    files = label_files(carl_labels) if carl_labels is not None else {}
    clips, failed, names = _read_clips(project, root, action, progress)
    digests = {clip.path.stem: file_digest(clip.path) for clip in clips}
    ids = {name: f"{slug(name)}-{digest[:8]}" for name, digest in digests.items()}
    labels = {}
    if phases is not None:
        lengths = {c.path.stem: (ids[c.path.stem], len(c.pose)) for c in clips}
        labels = check_phases(phases, lengths, names)
    unread: dict[str, PoseFileError] = {}
    if files:
        labels, unread = _carl_phases(clips, ids, files, progress)

    results, videos = [], []
    progress.begin(f"importing {action or 'all actions'}", len(clips))
    for clip in clips:
        name = clip.path.stem
        result = _write(project, clip, ids[name], digests[name])
        results.append(
            _without_labels(result, files[name], unread[name]) if name in unread else result
        )
        videos.append(_row(clip, ids[name], digests[name]))
        progress.advance()
    progress.end()
    project.add_videos(videos)
    if labels:
        merge_phases(project, labels, progress)
    return sorted(results + failed, key=lambda result: result.path)


def _carl_phases(
    clips: Sequence[Clip], ids: Mapping[str, str], files: Mapping[str, Path], progress: Progress
) -> tuple[Labels, dict[str, PoseFileError]]:
    """Phases by project id, and the errors in the labels of other clips by name."""
    labels: Labels = {}
    unread: dict[str, PoseFileError] = {}
    stretched: dict[str, str] = {}
    contradictory = 0
    for clip in clips:
        name = clip.path.stem
        if name not in files:
            continue
        try:
            phases, note = read_labels(files[name], clip.action, len(clip.pose))
        except PoseFileError as error:
            unread[name] = error
            continue
        labels |= {ids[name]: phases} if phases else {}
        stretched |= {name: note} if note else {}
        contradictory += split_of(files[name]) != clip.split
    unlabelled = sum(clip.path.stem not in files for clip in clips)
    for note in summary(stretched, contradictory, unlabelled):
        progress.note(note)
    return labels, unread


def _without_labels(result: ItemResult, path: Path, problem: PoseFileError) -> ItemResult:
    return replace(
        result,
        status="degraded",
        code=problem.code,
        message=f"imported without phases: {path}: {problem}",
        hint="copy its labels again",
    )


def _read_clips(
    project: Project, root: Path, action: str | None, progress: Progress
) -> tuple[list[Clip], list[ItemResult], set[str]]:
    """Clips of the action, items of failed files, and the names of all label files."""
    paths = sorted((root / "labels").glob("*.mat"))
    if not paths:
        raise UserError(
            f"there are no Penn Action label files in {root / 'labels'}",
            hint="name the folder that holds labels/0001.mat",
            exit_code=ExitCode.UNREADABLE,
        )
    clips, failed, actions = [], [], set()
    progress.begin("reading labels", len(paths))
    for path in paths:
        try:
            clip = read_clip(path)
        except ValueError as error:
            failed.append(
                ItemResult(
                    str(path),
                    "",
                    "failed",
                    code="I001",
                    message=f"cannot read {path.name}: {error}",
                    hint="copy the file again from the data set",
                )
            )
        except Exception as error:
            failed.append(unexpected(project, str(path), error))
        else:
            actions.add(clip.action)
            if action in (None, clip.action):
                clips.append(clip)
        progress.advance()
    progress.end()
    if not clips and action is not None:
        near = get_close_matches(action, actions, n=1)
        listed = f"actions found: {', '.join(sorted(actions)) or 'none'}"
        raise UserError(
            f"no clip of the action '{action}' in {root}",
            hint=f"did you mean '{near[0]}'? {listed}" if near else listed,
        )
    return clips, failed, {path.stem for path in paths}


def read_clip(path: Path) -> Clip:
    """Read one label file; raises ValueError that gives the problem."""
    try:
        fields = read_mat(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        raise ValueError(f"not a MATLAB file that can be read ({error})") from error
    try:
        pose = _pose(fields)
        split = _SPLITS[int(np.ravel(fields["train"])[0])]
        return Clip(path, pose, str(fields["action"]), split)
    except (LookupError, OverflowError, TypeError) as error:
        raise ValueError(f"a field is missing or has the wrong type ({error})") from error


def _pose(fields: Mapping[str, Any]) -> PoseSequence:
    # uint8 arrays would wrap around in any sum or difference.
    x, y, visible = (np.asarray(fields[f], dtype=np.float64) for f in ("x", "y", "visibility"))
    if x.ndim != 2 or x.shape[1] != 13 or not x.shape == y.shape == visible.shape:
        raise ValueError(
            f"expected x, y, visibility (frames, 13), got {x.shape}, {y.shape}, {visible.shape}"
        )
    if not 0 < len(x) <= _MOST_FRAMES:
        raise ValueError("no frames" if not len(x) else f"more than {_MOST_FRAMES:,} frames")
    xy = np.stack([x, y], axis=-1)
    if not np.isfinite(xy).all():
        raise ValueError("coordinates that are not finite")
    seen = visible > 0
    unset = ~seen & (xy <= _UNSET).all(axis=-1)
    sides = np.ravel(fields["dimensions"])[:2].astype(np.float64)
    if not ((sides >= 0) & (sides <= MOST_PIXELS)).all():
        raise ValueError(f"dimensions of {sides.tolist()} pixels, not 0 to {MOST_PIXELS:,}")
    height, width = (int(side) for side in sides)
    frame = np.arange(len(x))
    return PoseSequence(
        xy=np.where(unset[..., None], np.nan, xy - 1),
        score=np.where(unset, 0, np.where(seen, 1, HIDDEN_SCORE)),
        box=_boxes(np.asarray(fields["bbox"], dtype=np.float64), len(x)),
        frame=frame,
        time=frame / FPS,
        fps=FPS,
        size=(width, height),
        skeleton="penn13",
        info={"action": str(fields["action"]), "view": str(fields["pose"])},
    )


def _boxes(box: FloatArray, length: int) -> FloatArray:
    """Boxes (length, 4), 0-based; the last one is repeated if some are missing at the end."""
    if box.ndim != 2 or box.shape[1] != 4 or abs(len(box) - length) > _BOX_SLACK or not len(box):
        raise ValueError(f"expected bbox ({length}, 4), got {box.shape}")
    row = np.minimum(np.arange(length), len(box) - 1)
    fitted = box[row] - 1
    empty = (fitted[:, 2] <= fitted[:, 0]) | (fitted[:, 3] <= fitted[:, 1])
    return np.where(empty[:, None], np.nan, fitted)


def _write(project: Project, clip: Clip, video: str, digest: str) -> ItemResult:
    config = {"format": "penn-action", "fps": FPS, "hidden_score": HIDDEN_SCORE}
    recipe = Recipe("import", VERSION, config, {"labels": digest})
    current = staleness(project.pose_path(video), recipe) is None
    if not current:
        project.write_pose(video, with_trust(clip.pose), recipe)
    return ItemResult(str(clip.path), video, "cached" if current else "ok", len(clip.pose))


def _row(clip: Clip, video: str, digest: str) -> Video:
    width, height = clip.pose.size
    return Video(
        id=video,
        path=str(clip.path.resolve()),
        sha256=digest,
        frames=len(clip.pose),
        fps=FPS,
        width=width,
        height=height,
        split=clip.split,
    )


# --- phase labels as CARL (Chen et al., CVPR 2022) stores them: one array per clip ---------------

_CARL_SPLITS = {"train": "train", "val": "test"}


def label_files(root: Path) -> dict[str, Path]:
    """Clip `0168` -> its file of labels.

    Raises UserError if there is no such file (exit 3), and for two files of one clip (exit 5).
    """
    files: dict[str, Path] = {}
    for path in sorted(root.glob("*/*/*.npy")):
        if path.parent.parent.name not in _CARL_SPLITS:
            continue
        other = files.setdefault(path.name[:4], path)
        if other != path:
            raise UserError(
                f"clip {path.name[:4]} has two files of labels: {other} and {path}",
                hint="keep the one that belongs to the data set",
                exit_code=ExitCode.MISMATCH,
            )
    if not files:
        raise UserError(
            f"there are no labels like train/golf_swing/0168.npy in {root}",
            hint="name the folder of CARL's labels of Penn Action that holds train and val",
            exit_code=ExitCode.UNREADABLE,
        )
    return files


def read_labels(path: Path, action: str, frames: int) -> tuple[list[Phase], str]:
    """Phases of a clip, and a note if they were stretched; raises PoseFileError.

    action: of the label file of Penn Action, which must be the folder's. frames: T of the poses; if
    there are L != T labels, frame t takes the label of t L / T, as in CARL.
    """
    if path.parent.name != action:
        raise PoseFileError(f"it is in the folder {path.parent.name}, but the clip shows {action}")
    labels = _read(path)
    if len(labels) == frames:
        return phases_of_labels(labels), ""
    row = np.arange(frames) * len(labels) // frames
    return phases_of_labels(labels[row]), f"{len(labels)} labels for {frames} frames"


def split_of(path: Path) -> str:
    """`train` or `test`, from the folder of a label file."""
    return _CARL_SPLITS[path.parent.parent.name]


def _read(path: Path) -> IntArray:
    try:
        labels = np.load(path, allow_pickle=False)
    except (OSError, *DAMAGE) as error:
        raise PoseFileError(f"it is not an array that can be read: {error}") from error
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or not len(labels):
        raise PoseFileError("it should have one label for each frame")
    if labels.dtype.kind not in "iuf" or not np.isfinite(labels).all():
        raise PoseFileError(f"its labels should be whole numbers, not {labels.dtype}")
    if (labels != np.round(labels)).any() or (np.abs(labels.astype(np.float64)) > 1e6).any():
        raise PoseFileError("its labels should be whole numbers")
    return labels.astype(np.int64)


def summary(stretched: Mapping[str, str], contradictory: int, unlabelled: int) -> list[str]:
    """Notes on the labels of all clips together."""
    notes = []
    if stretched:
        name, example = next(iter(stretched.items()))
        notes.append(
            f"labels for a different number of frames, stretched as CARL does: {len(stretched)} "
            f"clips, such as {name}, {example}"
        )
    if contradictory:
        notes.append(
            "clips whose labels are in the other split; the clip's own split is used: "
            f"{contradictory}"
        )
    if unlabelled:
        notes.append(f"clips without labels: {unlabelled}")
    return notes
