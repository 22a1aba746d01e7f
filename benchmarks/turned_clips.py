"""The clips of camera.py: movements seen from many sides, and clips filmed from one side."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from people import ACTIONS, RATE, SETS, walk_pair
from whole_clips import EVERY, cases

from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.demo.demo_clips import camera_at, clip_of_joints, joints_seen, random_phase
from la2ds_cli.demo.performer import forward_kinematics, movement, random_body, random_style
from la2ds_cli.evaluation.events import phase_events
from la2ds_cli.features.pose_features import centre_and_scale, mirror
from la2ds_cli.formats.files import ImportOptions
from la2ds_cli.formats.import_export import import_poses

PAIRS = 40  # a row
SIDES = range(0, 360, 45)  # degrees, of A
ANGLES, TURNS = range(0, 181, 15), range(0, 181, 45)  # of B from A: walkers, rendered performers
VIEWS = ("side", "view60", "view120", "other_side")
JITTER = 0.02  # torso lengths
PERFORMERS = 12
# Standard deviations of the errors of rendered joints, and how long they last: across the view as
# in the image, along it as networks that see one camera err.
PIXELS, ACROSS, ALONG = 2.0, 0.02, 0.06  # pixels, metres, metres
LASTING = 3.0  # frames, standard deviation of a Gaussian


@dataclass(frozen=True)
class Pair:
    """moments: frames of A, and the frames of B that show the same. spatial: compared in 3D."""

    title: str
    a: PoseSequence
    b: PoseSequence
    moments: list[tuple[int, float]]
    spatial: bool = False


def some(items: Sequence[Any], most: int) -> list[Any]:
    chosen = np.random.default_rng(0).permutation(len(items))[:most]
    return [items[k] for k in sorted(chosen)]


# --- walking -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Walks:
    """Walks by name. info: rows of clips.csv; seen: by view; events: name -> frame."""

    info: dict[str, dict[str, str]]
    seen: dict[str, dict[str, PoseSequence]]
    events: dict[str, dict[str, int]]


def all_walks(data: Path, work: Path) -> Walks:
    gait = data / "gait"
    info = {row["video"]: row for row in csv.DictReader((gait / "clips.csv").open())}
    projects = [imported(gait / view, work / view) for view in VIEWS]
    seen = {
        view: {Path(v.path).stem: project.read_pose(v.id)[0] for v in project.videos()}
        for view, project in zip(VIEWS, projects, strict=True)
    }
    shutil.copy(gait / "phases.csv", projects[0].phases_path)
    phases = {Path(v.path).stem: projects[0].phases()[v.id] for v in projects[0].videos()}
    events = {name: phase_events(pose, phases[name]) for name, pose in seen["side"].items()}
    return Walks(info, seen, events)


def walking(data: Path, work: Path) -> Iterator[Pair]:
    walks = all_walks(data, work)
    info, seen, events = walks.info, walks.seen, walks.events
    rng = np.random.default_rng(0)
    for angle in ANGLES:
        seen[f"{angle}°"] = {name: rebuilt(seen, name, np.radians(angle), rng) for name in info}
    both = [(a, b) for a in info for b in info if walk_pair(info[a], info[b])]
    chosen = []
    for group in ("zoo", "norm"):
        chosen += some([pair for pair in both if info[pair[0]]["set"] == group], PAIRS // 2)
    for view, poses in seen.items():
        for a, b in chosen:
            shared = sorted(events[a].keys() & events[b].keys())
            moments = [(events[a][event], float(events[b][event])) for event in shared]
            yield Pair(view, seen["side"][a], poses[b], moments)


def imported(folder: Path, root: Path) -> StoredProject:
    project, data = StoredProject.create(root), SETS["walk"]
    if not project.videos():
        import_poses(project, "wide-csv", folder, ImportOptions(RATE, data.size, data.skeleton))
    return project


def rebuilt(
    seen: Mapping[str, Mapping[str, PoseSequence]],
    name: str,
    angle: float,
    rng: np.random.Generator,
) -> PoseSequence:
    """A walk as a distant camera sees it that is turned by `angle` from the side."""
    pose = seen["side"][name]
    side, at60, at120 = (
        centre_and_scale(seen[view][name].xy, get_skeleton(pose.skeleton))[0] for view in VIEWS[:3]
    )
    depth = (at60 + at120)[..., 0] / (2 * np.sin(np.radians(60)))
    x = np.cos(angle) * side[..., 0] + np.sin(angle) * depth
    xy = np.stack([x, (side + at60 + at120)[..., 1] / 3], axis=-1)
    xy += JITTER * rng.normal(size=xy.shape)
    return replace(pose, xy=np.array(pose.size) / 2 + pose.size[1] / 6 * xy)


# --- rendered performers -------------------------------------------------------------------------


def rendered(data: Path, work: Path) -> Iterator[Pair]:
    """The joints in the image, with joints in metres beside them, and these compared in 3D."""
    both = [(a, b) for a in range(PERFORMERS) for b in range(PERFORMERS) if a != b]
    for angle in TURNS:
        for n, (a, b) in enumerate(some(both, PAIRS)):
            sides = np.radians([SIDES[n % 8], SIDES[n % 8] + angle])
            (pose_a, phase_a), (pose_b, phase_b) = map(performance, (a, b), sides)
            true = np.interp(phase_a, phase_b, np.arange(len(phase_b)), np.nan, np.nan)
            known = [t for t in range(0, len(true), EVERY) if np.isfinite(true[t])]
            moments = [(t, float(true[t])) for t in known]
            flat_a, flat_b = (replace(pose, world=None) for pose in (pose_a, pose_b))
            yield Pair(f"{angle}°, in the image", flat_a, flat_b, moments)
            yield Pair(f"{angle}°, with joints in metres", pose_a, pose_b, moments)
            yield Pair(f"{angle}°, compared in 3D", pose_a, pose_b, moments, spatial=True)


def performance(number: int, azimuth: float) -> tuple[PoseSequence, FloatArray]:
    """A performance as a camera sees it, and its phase (T,)."""
    rng = np.random.default_rng([2, number])
    phase = random_phase(rng)
    points = forward_kinematics(random_body(rng), movement(phase, random_style(rng)))
    xy, space = joints_seen(camera_at(rng, points, azimuth), points)
    xy = xy + PIXELS * lasting(rng, xy.shape)
    space = space + [ACROSS, ACROSS, ALONG] * lasting(rng, space.shape)
    return clip_of_joints(xy, space), phase


def lasting(rng: np.random.Generator, shape: tuple[int, ...]) -> FloatArray:
    """Noise of variance 1 that changes slowly over the frames."""
    from scipy.ndimage import gaussian_filter1d

    slow = gaussian_filter1d(rng.normal(size=shape), LASTING, axis=0, mode="wrap")
    return slow / slow.std()


# --- clips from one side -------------------------------------------------------------------------


def harm(data: Path, work: Path) -> Iterator[Pair]:
    for name in ("golf", "skijump", *(f"penn {action}" for action in ACTIONS)):
        for case in cases(name, data, work, PAIRS // 2):
            a, b = (case.project.read_pose(clip)[0] for clip in (case.a, case.b))
            yield Pair(case.title, a, b, case.moments)
            if name == "golf":
                yield Pair(f"{case.title}, B mirrored", a, mirror(b), case.moments)
