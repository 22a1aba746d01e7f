"""The people in the frames of a pose file: choose the subject, and map joints to a skeleton."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from la2ds_cli.core.errors import did_you_mean
from la2ds_cli.core.skeleton import SKELETONS, Skeleton, get_skeleton
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.formats.files import ImportOptions, JointsError, PoseFileError
from la2ds_cli.poses.subjects import AMBIGUOUS_MARGIN, choose_subject, follow_cuts, rank_people
from la2ds_cli.poses.tracking import LEAST_PIECE, MAX_GAP, link_detections, link_tracks, make_track

PIXELS = 200.0  # per metre of 3D joints without a camera, so that a person is some 300 tall


@dataclass(frozen=True)
class FramePerson:
    """One person in one frame, in the pixels and the joint order of the file.

    xy: (K, 2), NaN = missing.
    score: (K,) as in the file.
    box: (4,) xyxy, NaN = unknown.
    confidence: of the detection, NaN = unknown.
    track: the identity, None = unknown.
    """

    xy: FloatArray
    score: FloatArray
    box: FloatArray
    confidence: float
    track: str | None

    @classmethod
    def of(
        cls, xy: Any, score: Any, box: Any = None, confidence: Any = None, track: Any = None
    ) -> FramePerson:
        """Return a person from lists or arrays of a file, in which null is NaN.

        A joint whose x, y and score are 0 is missing, as many tools write it. box: None, empty or
        without area = unknown. track: None, -1 or [-1] = unknown. Raises TypeError, ValueError or
        OverflowError for content of another form.
        """
        points, scores = np.array(xy, np.float64), np.array(score, np.float64)
        if points.ndim != 2 or points.shape[1] != 2:
            raise ValueError(f"its joints are not pairs x, y, but {points.shape}")
        if scores.shape != points.shape[:1]:
            raise ValueError(f"it has {len(points)} joints, but scores {scores.shape}")
        zero = (points == 0).all(axis=1) & (scores == 0)
        track = track[0] if isinstance(track, list) and len(track) == 1 else track
        corners = np.array(box or [np.nan] * 4, np.float64).reshape(4)
        return cls(
            np.where(zero[:, None], np.nan, points),
            scores,
            corners if (corners[2:] > corners[:2]).all() else np.full(4, np.nan),
            float(np.array(confidence, np.float64)),
            None if track in (None, -1, []) else str(track)[:200],
        )


@dataclass(frozen=True)
class Frames:
    """The frames that a file lists, and the N people in them, with K joints each.

    number: (F,) numbers of the frames as in the file, increasing; also of those without people.
    of: (N,) number of each person's frame, in order.
    xy, score: (N, K, 2) and (N, K), as in FramePerson.
    world: (N, K, 3) metres, x right, y down, z away from the camera, None = unknown.
    box: (N, 4), NaN = unknown.
    confidence: (N,), NaN = unknown.
    track: (N,) number of the identity, -1 = unknown.
    """

    number: IntArray
    of: IntArray
    xy: FloatArray
    score: FloatArray
    box: FloatArray
    confidence: FloatArray
    track: IntArray
    world: FloatArray | None = None

    @classmethod
    def of_one(
        cls,
        number: Sequence[int] | IntArray,
        xy: FloatArray,
        score: FloatArray | None = None,
        world: FloatArray | None = None,
    ) -> Frames:
        """Return frames with the same person in each of the F frames `number`, which increase.

        xy, score, world: (F, K, ...); score None = 1 for each joint that is seen.
        """
        frame = np.asarray(number, np.int64)
        if score is None:
            seen = np.isfinite(xy if world is None else world).all(axis=2)
            score = np.asarray(seen, np.float64)
        missing = np.full(len(frame), np.nan)
        return cls(
            number=frame,
            of=frame,
            xy=xy,
            score=score,
            box=np.full((len(frame), 4), np.nan),
            confidence=missing,
            track=np.full(len(frame), -1),
            world=world,
        )

    @classmethod
    def of_people(cls, people: Mapping[int, Sequence[FramePerson]], joints: int) -> Frames:
        """Return frames from people by frame number. joints: K, as from `joint_count`."""
        number = np.array(sorted(people), np.int64)
        persons = [person for frame in number for person in people[int(frame)]]
        tracks = dict.fromkeys(person.track for person in persons if person.track is not None)
        identities = {None: -1, **{track: n for n, track in enumerate(tracks)}}
        return cls(
            number=number,
            of=np.repeat(number, [len(people[int(frame)]) for frame in number]),
            xy=np.array([p.xy for p in persons], np.float64).reshape(-1, joints, 2),
            score=np.array([p.score for p in persons], np.float64).reshape(-1, joints),
            box=np.array([p.box for p in persons], np.float64).reshape(-1, 4),
            confidence=np.array([p.confidence for p in persons], np.float64),
            track=np.array([identities[p.track] for p in persons], np.int64),
        )


def joint_count(people: Mapping[Any, Sequence[FramePerson]]) -> int:
    """Return the number of joints of every person. Raises PoseFileError if there is nobody, and
    JointsError if the numbers differ."""
    counts = sorted({len(person.xy) for frame in people.values() for person in frame})
    if not counts:
        raise PoseFileError("none of its frames has a person")
    if len(counts) > 1:
        raise JointsError(f"its people have different numbers of joints: {counts[:5]}")
    return counts[0]


def orthographic(world: FloatArray) -> FloatArray:
    """Return pixels (..., 2) of joints (..., 3) in metres without a camera: a view along z, PIXELS
    per metre."""
    return PIXELS * world[..., :2]


def choose_people(
    frames: Frames, number: IntArray, fps: float, size: tuple[int, int]
) -> tuple[IntArray, dict[str, Any]]:
    """Choose the subject of a clip among the people of its frames.

    People are tracked by the identities of the file and, if it has none, by their boxes; one of
    them is chosen for the entire clip, as in pose extraction.

    Parameters
    ----------
    frames
        The people of the file.
    number
        (T,) numbers of the frames in the file, -1 = not listed.
    fps, size
        Frame rate, and width and height in pixels, 0 = unknown.

    Returns
    -------
    The row (T,) of the subject among the people, -1 = absent; and facts about the choice: people,
    margin, ambiguous, cuts; empty if no frame has more than one person.
    """
    first, end = (np.searchsorted(frames.of, number, side) for side in ("left", "right"))
    if (end - first <= 1).all():
        return np.where(end > first, first, -1), {}
    box = _extents(frames)
    # Boxes identify people below, so two of a frame must differ.
    box[:, 2] += 1e-6 * (np.arange(len(box)) - np.searchsorted(frames.of, frames.of))
    usable = np.asarray((box[:, 2:] > box[:, :2]).all(axis=1))
    chosen = np.full(len(number), -1)
    if not usable.any():
        return chosen, {}
    rows = [a + np.flatnonzero(usable[a:b]) for a, b in zip(first, end, strict=True)]
    detections, identity = np.column_stack([box, _confidence(frames)]), frames.track
    if min(size) <= 0:  # the smallest frame that contains all boxes
        width, height = np.maximum(np.ceil(box[usable, 2:].max(axis=0)), 1)
        size = int(width), int(height)
    max_gap, least = (max(1, round(seconds * fps)) for seconds in (MAX_GAP, LEAST_PIECE))
    # The tool that wrote the file has applied its own threshold.
    unnamed = [detections[at[identity[at] < 0]] for at in rows]
    tracks = link_detections(unnamed, threshold=0.0, max_gap=max_gap, size=size)
    row, person = np.repeat(np.arange(len(rows)), list(map(len, rows))), np.concatenate(rows)
    for name in np.unique(identity[person][identity[person] >= 0]):
        own = np.flatnonzero(identity[person] == name)
        own = own[np.unique(row[own], return_index=True)[1]]  # once per frame
        tracks.append(make_track(row[own], box[person[own]], detections[person[own], 4]))
    tracks = link_tracks(tracks, size, max_gap=max_gap)
    best, margin = choose_subject(tracks, size, len(number))
    subject, cuts = follow_cuts(best, tracks, least=least)
    for t, extent in zip(subject.frame, subject.box, strict=True):
        chosen[t] = next(row for row in rows[t] if np.array_equal(box[row], extent))
    return chosen, {
        "people": len(rank_people(tracks, size, len(number))),
        "margin": round(margin, 3),
        "ambiguous": margin < AMBIGUOUS_MARGIN,
        "cuts": cuts,
    }


def _extents(frames: Frames) -> FloatArray:
    """Return the box (N, 4) of each person, or a box around the joints, without area if none is
    seen."""
    seen = np.asarray(np.isfinite(frames.xy).all(axis=2))[..., None]
    low = np.where(seen, frames.xy, np.inf).min(axis=1)
    high = np.where(seen, frames.xy, -np.inf).max(axis=1)
    has_box = np.asarray(np.isfinite(frames.box).all(axis=1))[:, None]
    return np.where(has_box, frames.box, np.concatenate([low, high], axis=1))


def _confidence(frames: Frames) -> FloatArray:
    mean = np.clip(np.nan_to_num(frames.score), 0, 1).mean(axis=1)
    finite = np.isfinite(frames.confidence)
    return np.where(finite, np.clip(frames.confidence, 0, 1), mean)


# --- joints ---------------------------------------------------------------------------------------

_ALSO = {"mid_hip": ("hip", "pelvis")}
_WHOLEBODY = 133  # COCO-WholeBody: the 17 of COCO first, then feet, face and hands


@dataclass(frozen=True)
class JointOrder:
    """The mapping from the joints of a file to a skeleton of K joints.

    column: for each of the K joints its column in the file, -1 = missing.
    unused: names in the file that have no joint in the skeleton.
    missing: joints of the skeleton without a column.
    """

    skeleton: str
    column: tuple[int, ...]
    unused: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    def note(self) -> str:
        """Return one line about joints without a counterpart; empty if all have one."""
        parts = [f"not used: {', '.join(self.unused)}"] if self.unused else []
        parts += [f"not in the file: {', '.join(self.missing)}"] if self.missing else []
        return f"{self.skeleton}, joints {'; '.join(parts)}" if parts else ""


def joint_order(names: Sequence[str] | None, count: int, options: ImportOptions) -> JointOrder:
    """Return order_by_name if the file names its joints, else order_by_count."""
    if names is not None:
        if len(names) != count:
            raise JointsError(f"it names {len(names)} joints but has {count}")
        return order_by_name(names, options.skeleton, options.renamed)
    if options.renamed:
        raise JointsError("its joints have no names, so --map cannot be used")
    return order_by_count(count, options.skeleton)


def order_by_count(count: int, skeleton: str | None) -> JointOrder:
    """Return the order of joints without names: that of `skeleton`, or else of COCO.

    Of the 133 joints of COCO-WholeBody the body is used. Raises JointsError if the counts differ.
    """
    filled = get_skeleton(skeleton or "coco17")
    joints = len(filled.joints)
    if filled.name == "coco17" and count == _WHOLEBODY:
        return JointOrder("coco17", tuple(range(joints)), unused=("feet, face and hands",))
    if count != joints:
        same = [name for name, other in SKELETONS.items() if len(other.joints) == count]
        raise JointsError(
            f"it has {count} joints without names, but {filled.name} has {joints}",
            f"name their order with --skeleton {' or '.join(same)}"
            if same
            else f"skeletons: {', '.join(sorted(SKELETONS))}",
        )
    return JointOrder(filled.name, tuple(range(joints)))


def order_by_name(
    names: Sequence[str], skeleton: str | None, renamed: Mapping[str, str]
) -> JointOrder:
    """Return the order of named joints; case, spaces and underscores are ignored; `l` means left.

    Parameters
    ----------
    names
        Names of the joints in the file.
    skeleton
        The skeleton to fill; None = the one that uses most of the joints and lacks fewest.
    renamed
        Name in the file -> joint of the skeleton, before any other rule.

    Raises
    ------
    JointsError
        If the root, the torso or half of the joints are missing.
    """
    _check_renamed(names, renamed, skeleton)
    choices = [get_skeleton(skeleton)] if skeleton else list(SKELETONS.values())
    orders = [_fill(choice, names, renamed) for choice in choices]
    usable = [order for order in orders if _usable(order)]
    # Four missing joints weigh as much as one unused joint.
    best = max(usable or orders, key=lambda o: 4 * _joints_present(o) - len(o.missing))
    if not usable:
        raise JointsError(
            f"its joints do not fill the skeleton {best.skeleton}; missing: "
            f"{_listed(best.missing)}; joints in the file: {_listed(names)}",
            "map the joints by hand with --map THEIRS=OURS, once for each",
        )
    return best


def _check_renamed(names: Sequence[str], renamed: Mapping[str, str], skeleton: str | None) -> None:
    plain_names = {plain(name) for name in names}
    choices = [get_skeleton(skeleton)] if skeleton else SKELETONS.values()
    all_joints = sorted({joint for choice in choices for joint in choice.joints})
    for theirs, ours in renamed.items():
        if plain(theirs) not in plain_names:
            hint = did_you_mean(theirs, names) or f"joints in it: {_listed(names)}"
            raise JointsError(f"--map {theirs}={ours}: the file has no joint '{theirs}'", hint)
        if ours not in all_joints:
            where = f" in {skeleton}" if skeleton else ""
            hint = did_you_mean(ours, all_joints) or f"joints: {_listed(all_joints)}"
            raise JointsError(f"--map {theirs}={ours}: there is no joint '{ours}'{where}", hint)


def _fill(skeleton: Skeleton, names: Sequence[str], renamed: Mapping[str, str]) -> JointOrder:
    at = {plain(name): column for column, name in reversed(list(enumerate(names)))}
    by_hand = {ours: at[plain(theirs)] for theirs, ours in renamed.items()}
    assigned = set(by_hand.values())
    column = []
    for joint in skeleton.joints:
        source = by_hand.get(joint, -1)
        for spelling in _spellings(joint) if source < 0 else ():
            if source < 0 and at.get(spelling, -1) not in assigned:
                source = at.get(spelling, -1)
        column.append(source)
    used = set(column)
    return JointOrder(
        skeleton.name,
        tuple(column),
        unused=tuple(name for k, name in enumerate(names) if k not in used),
        missing=tuple(joint for joint, k in zip(skeleton.joints, column, strict=True) if k < 0),
    )


def plain(name: str) -> str:
    """Return a joint name in lower case, without spaces and punctuation."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _spellings(joint: str) -> list[str]:
    """Return plain spellings of a joint of a skeleton: leftknee, lknee, kneeleft, kneel."""
    side, _, part = joint.partition("_")
    if side not in ("left", "right"):
        return [plain(joint), *_ALSO.get(joint, ())]
    part = plain(part)
    return [side + part, side[0] + part, part + side, part + side[0]]


def _joints_present(order: JointOrder) -> int:
    return len(order.column) - len(order.missing)


def _usable(order: JointOrder) -> bool:
    """Return whether the root, the torso and at least half of the joints are present."""
    skeleton = get_skeleton(order.skeleton)
    needed = {*skeleton.root, *(k for pair in skeleton.torso for k in pair)}
    complete = all(order.column[k] >= 0 for k in needed)
    return complete and 2 * _joints_present(order) >= len(skeleton.joints)


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(name[:40] for name in names[:12])
    return first if len(names) <= 12 else f"{first} and {len(names) - 12} more"
