"""IKEA ASM (Ben-Shabat et al., WACV 2021): 2D poses of people who assemble furniture.

Layout: `Kallax_Shelf_Drawer/<scan>/dev3/pose2d/000000.json`, ground truth for about one frame in a
hundred and only for dev3; `<scan>/dev1..3/predictions/pose2d/<network>/`, one file
`scan_video_000000000000_keypoints.json` for each frame; next to the furniture or in indexing_files/
are the lists train_cross_env.txt and test_cross_env.txt, and the actions as gt_segments.json. The
layout is that of the data set's own loaders.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.formats.checks import (
    FramesError,
    JointsError,
    PoseFileError,
    entry,
    frame_number,
    mapping,
    number,
    numbers,
    read_json,
    sequence,
    shown,
)
from la2ds_cli.formats.file_clip import FileClip, ImportOptions, Person, missing_where_zero, no_box
from la2ds_cli.formats.ikea_labels import phases_of, read_labels, read_splits, split_of
from la2ds_cli.formats.importing import PoseFormat, import_files
from la2ds_cli.formats.joints import JointOrder, plain
from la2ds_cli.video.media_files import natural_order

FPS = 30.0  # that of the paper (LA2DS, Table 9); the files hold no times
CAMERAS = ("dev1", "dev2", "dev3")  # the last is annotated
GROUND_TRUTH = "ground-truth"
NETWORK = "keypoint_rcnn_ft"
_SIZE = (1920, 1080)
_CERTAIN = 3  # the highest confidence of the ground truth
_FRAME = re.compile(r"(?:.*_)?(\d+)_keypoints\.json", re.IGNORECASE)
_SKELETONS = {17: "coco17", 25: "body25"}
_AT = {plain(joint): k for k, joint in enumerate(get_skeleton("coco17").joints)}


def import_ikea_asm(
    project: Project,
    root: Path,
    furniture: str | None = None,
    camera: str = CAMERAS[-1],
    poses: str = NETWORK,
    fps: float = FPS,
    progress: Progress | None = None,
) -> list[ItemResult]:
    """Import the scans `root`/furniture/scan as seen by a camera, without pictures.

    poses: a folder of predictions/pose2d (17 joints: coco17, 25: body25), or `ground-truth`, of
    which only the annotated frames become rows. Of several people in a frame, the one with the
    highest mean score is taken, as by the data set's code. furniture: import only scans of it, in
    any spelling.

    The split is that of the lists (of gt_segments.json without lists); the phases are the actions
    of gt_segments.json except `NA`. Raises UserError if the folder does not exist (exit 3), for
    unknown furniture or camera (exit 2), and if a list cannot be read (exit 3 or 5).
    """
    progress = progress or Progress()
    _check("camera", camera, CAMERAS)
    truth = poses == GROUND_TRUTH
    folders = _scan_folders(root, camera, "pose2d" if truth else f"predictions/pose2d/{poses}")
    if furniture is not None:
        folders = _of_furniture(folders, furniture)
    splits = read_splits(root)
    labels = read_labels(root, progress)
    _note_missing(root, camera, folders, splits, furniture, progress)
    if not splits and not labels:
        progress.note("there is no train_cross_env.txt or test_cross_env.txt: no clip gets a split")
    scans = {root / scan: scan for scan in folders}

    def read(path: Path, _: ImportOptions) -> list[FileClip]:
        scan = scans[path]
        folder = folders[scan]
        people, joints = _ground_truth(folder) if truth else _predictions(folder)
        return [
            FileClip(
                name=path.name,
                path=path,
                people=people,
                order=JointOrder(_SKELETONS[joints], tuple(range(joints))),
                complete=not truth,
                first=0,
                time={frame: frame / fps for frame in people} if truth else {},
                fps=fps,
                size=_SIZE,
                sources=(folder,),
                split=split_of(scan, splits, labels),
                phases=tuple(phases_of(scan, labels)),
                settings={"poses": poses, "rate": fps},
            )
        ]

    pose_format = PoseFormat("ikea-asm", (".json",), read)
    return import_files(project, root, pose_format, ImportOptions(), progress, list(scans))


def _check(what: str, given: str, known: Sequence[str]) -> None:
    if given not in known:
        near = get_close_matches(given, known, n=1)
        raise UserError(
            f"there is no {what} '{given}'",
            hint=f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(known)}",
        )


def _scan_folders(root: Path, camera: str, inside: str) -> dict[str, Path]:
    """`furniture/scan` -> folder of its poses, in natural order."""
    folders = [path for path in root.glob(f"*/*/{camera}/{inside}") if path.is_dir()]
    if not folders:
        available = {path.name for path in root.glob(f"*/*/{camera}/predictions/pose2d/*")}
        available |= {GROUND_TRUTH} if any(root.glob(f"*/*/{camera}/pose2d")) else set()
        raise UserError(
            f"there is no <furniture>/<scan>/{camera}/{inside} in {root}",
            hint=f"poses of this camera: {', '.join(sorted(available))}"
            if available
            else "name the folder that holds Kallax_Shelf_Drawer and the other furniture",
            exit_code=ExitCode.UNREADABLE,
        )
    ordered = [Path(name) for name in natural_order(str(folder) for folder in folders)]
    return {"/".join(folder.relative_to(root).parts[:2]): folder for folder in ordered}


def _of_furniture(folders: dict[str, Path], furniture: str) -> dict[str, Path]:
    kinds = {plain(scan.split("/")[0]): scan.split("/")[0] for scan in folders}
    if plain(furniture) not in kinds:
        near = get_close_matches(plain(furniture), kinds, n=1)
        listed = f"furniture found: {', '.join(sorted(kinds.values()))}"
        raise UserError(
            f"there is no scan of the furniture '{furniture}'",
            hint=f"did you mean '{kinds[near[0]]}'? {listed}" if near else listed,
        )
    wanted = kinds[plain(furniture)]
    return {scan: folder for scan, folder in folders.items() if scan.split("/")[0] == wanted}


def _note_missing(
    root: Path,
    camera: str,
    folders: dict[str, Path],
    splits: dict[str, str],
    furniture: str | None,
    progress: Progress,
) -> None:
    """Note how many scans are on disk without these poses, and how many are in no list."""
    kinds = {scan.split("/")[0] for scan in folders}
    scans = {"/".join(p.relative_to(root).parts[:2]) for p in root.glob(f"*/*/{camera}")}
    bare = sum(s not in folders and (furniture is None or s.split("/")[0] in kinds) for s in scans)
    if bare:
        progress.note(f"scans without these poses, left out: {bare}")
    unlisted = sum(scan not in splits for scan in folders) if splits else 0
    if unlisted:
        progress.note(f"scans in no list, which get no split: {unlisted}")


def _best_scored(people: list[Person]) -> Person:
    """The person that the data set's code takes."""
    return max(people, key=lambda person: float(np.mean(np.nan_to_num(person.score))))


def _predictions(folder: Path) -> tuple[dict[int, Sequence[Person]], int]:
    """People of each frame, and the number of their joints."""
    people: dict[int, Sequence[Person]] = {}
    joints = 0
    for path in sorted(folder.iterdir()):
        match = _FRAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            frame = frame_number(match[1].lstrip("0") or "0", "its name")
            if frame in people:
                raise FramesError(f"frame {frame} appears twice")
            persons = _people(read_json(path))
            counts = {len(person.xy) for person in persons} | ({joints} if joints else set())
            if len(counts) > 1:
                raise JointsError("it has different joints than the files before it")
        except PoseFileError as error:
            raise type(error)(f"{path.name}: {error}", error.hint) from error
        joints = next(iter(counts), joints)
        # In a frame without a person all numbers are 0.
        seen = [person for person in persons if np.isfinite(person.xy).any()]
        people[frame] = [_best_scored(seen)] if seen else []
    if not people:
        raise PoseFileError("it contains no scan_video_000000000000_keypoints.json")
    if not joints:
        raise PoseFileError("none of its files has a person")
    return people, joints


def _people(value: Any) -> list[Person]:
    document = mapping(value, "the document")
    items = sequence(entry(document, "people", "the document"), "'people'")
    return [_person(item, f"person {n}") for n, item in enumerate(items)]


def _person(value: Any, where: str) -> Person:
    item = mapping(value, where)
    flat = numbers(entry(item, "pose_keypoints_2d", where), f"the keypoints of {where}")
    if len(flat) not in [3 * joints for joints in _SKELETONS]:
        raise JointsError(
            f"the keypoints of {where} are {len(flat)} numbers, neither 3 x 17 nor 3 x 25",
            "use a folder of keypoint_rcnn or of OpenPose BODY_25",
        )
    triple = flat.reshape(-1, 3)
    xy = missing_where_zero(triple[:, :2], triple[:, 2])
    box = item.get("boxes")
    score = item.get("score")
    return Person(
        xy,
        triple[:, 2],
        no_box() if box is None else numbers(box, f"the box of {where}", 4),
        None if score is None else number(score, f"the score of {where}"),
    )


def _ground_truth(folder: Path) -> tuple[dict[int, Sequence[Person]], int]:
    """The annotated frames; every joint has a position and a confidence of up to 3."""
    people: dict[int, Sequence[Person]] = {}
    for path in sorted(folder.glob("*.json")):
        try:
            frame = frame_number(path.stem.lstrip("0") or "0", "its name")
            person = _annotated(mapping(read_json(path), "the document"))
        except PoseFileError as error:
            raise type(error)(f"{path.name}: {error}", error.hint) from error
        people[frame] = [person]
    return people, len(_AT)


def _annotated(document: dict[str, Any]) -> Person:
    xy, score = np.full((len(_AT), 2), np.nan), np.zeros(len(_AT))
    for name, value in document.items():
        if plain(name) not in _AT:
            raise JointsError(f"there is no joint {shown(name)} among the 17 of the data set")
        joint = mapping(value, name)
        k = _AT[plain(name)]
        xy[k] = numbers(entry(joint, "position", name), f"the position of {name}", 2)
        score[k] = number(entry(joint, "confidence", name), f"the confidence of {name}") / _CERTAIN
    xy[score <= 0] = np.nan
    return Person(xy, score, no_box())
