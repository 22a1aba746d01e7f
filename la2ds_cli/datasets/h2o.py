"""H2O (Kwon et al., ICCV 2021): both hands in recordings from one camera, and the actions.

Layout: `subject1/h1/0/cam4/hand_pose/000000.txt`, one file for each frame, and
`cam4/cam_intrinsics.txt`. The layout is documented on the data set's page and in its viewer; a line
of hand_pose holds for the left and then the right hand a flag (1 = annotated) and 21 joints x y z,
in metres, in the camera frame.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import Mismatch, Unreadable, UserError, check_choice
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, Phase
from la2ds_cli.formats.file_clip import FileClip
from la2ds_cli.formats.file_people import Frames, JointOrder
from la2ds_cli.formats.files import (
    FramesError,
    ImportOptions,
    PoseFileError,
    frame_number,
    last_number,
    read_text,
)
from la2ds_cli.formats.import_export import import_files
from la2ds_cli.video.media_files import ordered

FPS = 30.0  # of the data set and of the paper (LA2DS, Table 9); the files hold no times
CAMERA = "cam4"  # on the head of the person, as in the paper
_JOINTS = 21  # of a hand
_HAND = 1 + _JOINTS * 3  # numbers of a hand: the flag, and x y z of each joint
_MANO = 124  # numbers of a line of hand_pose_MANO


def import_h2o(
    project: StoredProject, root: Path, action: str | None = None, progress: Progress = SILENT
) -> list[ItemResult]:
    """Import the recordings `root`/subject/scene/number/cam4, without pictures.

    Skeleton hands42, 30 fps, size of cam_intrinsics.txt. Joints are projected with u = fx X/Z + cx,
    v = fy Y/Z + cy, without distortion; hands with flag 0 and joints behind the camera are NaN. The
    joints in metres, along the axes of the camera, are also kept.

    The lists action_{train,val,test}.txt (in `root`, action_labels/ or label_split/) give the
    split, which is empty for val, and the phases, except for test clips. The group is the subject.

    Parameters
    ----------
    action: import only recordings that contain this action, at full length.

    Raises
    ------
    UserError: exit 2 for an unknown action, 3 if the folder does not exist, 3 or 5 if a list cannot
        be read.
    """
    if action is not None:
        check_choice("action", action, ACTIONS[1:])
    names = _camera_folders(root)
    recordings = read_lists(root)
    if not recordings:
        lists = ", ".join(f"action_{name}.txt" for name in LISTS)
        progress.note(f"none of {lists} was found, so no clip gets a split")
    if action is not None:
        names = _with_action(names, recordings, action, progress)

    def read(folder: Path, _: ImportOptions) -> list[FileClip]:
        name = names[folder]
        listed, phases = recordings.get(name, ("", []))
        split = LISTS.get(listed, "")
        return [replace(_read_recording(name, folder), split=split, phases=tuple(phases))]

    return import_files(project, "h2o", list(names), read, ImportOptions(), progress)


def _camera_folders(root: Path) -> dict[Path, str]:
    """Return folder of the camera -> `subject/scene/number`, in natural order."""
    folders = [p.parent for p in root.glob(f"*/*/*/{CAMERA}/hand_pose") if p.is_dir()]
    if not folders:
        raise Unreadable(
            f"there is no subject*/h1/0/{CAMERA}/hand_pose in {root}",
            hint="name the folder of H2O that contains subject1, subject2, ...",
        )
    return {folder: folder.parent.relative_to(root).as_posix() for folder in ordered(folders)}


def _with_action(
    names: dict[Path, str], recordings: Recordings, wanted: str, progress: Progress
) -> dict[Path, str]:
    """Return the recordings that contain an action."""
    labels = {name: {p.name for p in recordings.get(name, ("", []))[1]} for name in names.values()}
    if unlabelled := sum(not actions for actions in labels.values()):
        progress.note(
            f"recordings left out because they have no labels: {unlabelled}; to import them, omit "
            "--action"
        )
    if chosen := {folder: name for folder, name in names.items() if wanted in labels[name]}:
        return chosen
    listed = f"labelled actions: {', '.join(sorted(set().union(*labels.values()))) or 'none'}"
    raise UserError(f"no recording is labelled '{wanted}'", hint=listed)


def _read_recording(name: str, folder: Path) -> FileClip:
    """Return one recording as seen by one camera, without split and phases; raises
    PoseFileError."""
    focal, centre, size = _intrinsics(folder / "cam_intrinsics.txt")
    files = {last_number(path.name): path for path in (folder / "hand_pose").glob("*.txt")}
    number = sorted(files)
    world = np.array([_hands(files[n]) for n in number]).reshape(-1, 2 * _JOINTS, 3)
    depth = np.where(world[..., 2:] > 0, world[..., 2:], np.nan)  # else behind the camera
    xy = focal * world[..., :2] / depth + centre
    score = np.asarray(np.isfinite(xy).all(axis=2), np.float64)
    return FileClip(
        name=re.sub("/", "-", f"{name}/{folder.name}"),
        path=folder,
        frames=Frames.of_one(number, xy, score, world),
        order=JointOrder("hands42", tuple(range(2 * _JOINTS))),
        first=0,
        fps=FPS,
        size=size,
        sources=(folder / "hand_pose", folder / "cam_intrinsics.txt"),
        ending=".txt",
        group=name.split("/")[0],
    )


def _numbers(path: Path) -> FloatArray:
    where = f"{path.parent.name}/{path.name}"
    try:
        return np.array([float(text) for text in read_text(path).split()], np.float64)
    except ValueError as error:
        raise PoseFileError(f"{where} contains something other than numbers") from error


def _intrinsics(path: Path) -> tuple[FloatArray, FloatArray, tuple[int, int]]:
    """Return focal lengths (2,) and principal point (2,) in pixels, and the size of the frame."""
    values = _numbers(path)
    if len(values) != 6 or not np.isfinite(values).all() or (values[[0, 1, 4, 5]] <= 0).any():
        raise PoseFileError(
            f"{path.name} should have fx fy cx cy width height, not {len(values)} numbers"
            if len(values) != 6
            else f"{path.name}: focal lengths and size should be above 0"
        )
    return values[:2], values[2:4], (int(values[4]), int(values[5]))


def _hands(path: Path) -> FloatArray:
    """Return joints (42, 3) in metres in the camera frame, NaN where a hand was not annotated."""
    where = f"{path.parent.name}/{path.name}"
    line = _numbers(path)
    if len(line) != 2 * _HAND:
        mano = ", as in hand_pose_MANO" if len(line) == _MANO else ""
        raise PoseFileError(f"{where} should have {2 * _HAND} numbers, not {len(line)}{mano}")
    hands = line.reshape(2, _HAND)
    if not np.isin(hands[:, 0], (0, 1)).all():
        raise PoseFileError(
            f"{where}: the flags of the hands should be 0 or 1, not {hands[0, 0]:g} and "
            f"{hands[1, 0]:g}"
        )
    joints = np.where(hands[:, :1] == 1, hands[:, 1:], np.nan)
    return joints.reshape(-1, 3)


# --- the actions of H2O: names, and lists of segments --------------------------------------------

# Actions by number, as in the data set's own list; 0 is the background.
_OBJECTS = ("book", "espresso", "lotion", "spray", "milk", "cocoa", "chips", "cappuccino")
ACTIONS = (
    "background",
    *(f"grab {thing}" for thing in _OBJECTS),
    *(f"place {thing}" for thing in _OBJECTS),
    *("open lotion", "open milk", "open chips", "close lotion", "close milk", "close chips"),
    *("pour milk", "take out espresso", "take out cocoa", "take out chips"),
    *("take out cappuccino", "put in espresso", "put in cocoa", "put in cappuccino"),
    *("apply lotion", "apply spray", "read book", "read espresso", "spray spray"),
    "squeeze lotion",
)
# val has no split: la2ds takes its own validation clips from the training clips.
LISTS = {"train": "train", "val": "", "test": "test"}
_FOLDERS = ("action_labels", "label_split", ".")  # that may contain the lists
_COLUMNS = ("path", "start_act", "end_act")


# `subject1/h1/0` -> train, val or test, and the actions.
Recordings = dict[str, tuple[str, list[Phase]]]


def read_lists(root: Path) -> Recordings:
    """Return the recordings of action_{train,val,test}.txt; empty if there are no lists.

    Lines are `id path action_label start_act end_act start_frame end_frame`, without the label in
    action_test.txt. end_act is the last frame of the action: in the published lists an action often
    begins one frame after the previous end_act, and never on it.

    Raises
    ------
    UserError: exit 3 or 5; it names the bad line.
    """
    recordings: Recordings = {}
    for listed in LISTS:
        paths = [root / folder / f"action_{listed}.txt" for folder in _FOLDERS]
        for path in [path for path in paths if path.is_file()][:1]:
            _read_list(path, listed, recordings)
    return recordings


def _read_list(path: Path, listed: str, recordings: Recordings) -> None:
    try:
        lines = read_text(path).splitlines()
    except PoseFileError as error:
        raise error.user_error(path) from error
    header = lines[0].split() if lines else []
    hint = "copy the list again from the data set"
    if not set(_COLUMNS) <= set(header):
        raise Unreadable(
            f"{path} line 1: expected the columns {' '.join(_COLUMNS)}, not {' '.join(header)!r}",
            hint=hint,
        )
    for line, values in enumerate(map(str.split, lines[1:]), start=2):
        try:
            if values:
                if len(values) != len(header):
                    problem = f"{len(values)} values where line 1 has {len(header)} columns"
                    raise FramesError(problem)
                _add_row(dict(zip(header, values, strict=True)), listed, recordings)
        except PoseFileError as error:
            message = f"{path} line {line}: {error}"
            raise Mismatch(message, hint=hint) from error


def _add_row(row: dict[str, str], listed: str, recordings: Recordings) -> None:
    name = row["path"].strip("/")
    before, phases = recordings.setdefault(name, (listed, []))
    if before != listed:
        raise FramesError(f"{name} is also in action_{before}.txt")
    start, end = (frame_number(row[column]) for column in ("start_act", "end_act"))
    if start > end:
        raise FramesError(f"the action begins at frame {start} and ends at {end}")
    if "action_label" in row:
        action = _action_of(frame_number(row["action_label"]))
        if action != ACTIONS[0]:
            phases.append(Phase(start, end + 1, action))


def _action_of(number: int) -> str:
    if number >= len(ACTIONS):
        raise PoseFileError(f"there is no action {number}: the last is {len(ACTIONS) - 1}")
    return ACTIONS[number]
