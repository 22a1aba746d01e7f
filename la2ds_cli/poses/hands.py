"""The hands of a clip instead of a body: `--subject hands`, `left-hand` or `right-hand`.

At most two hands are followed through the frames, each from where its landmarks were in the
previous frame; if there are fewer, palms are searched for. The network says for each frame whether
it is a left hand. A followed hand stays the same, so it is named by the mean of these answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses import boxes
from la2ds_cli.poses.blazehand import (
    LANDMARKS,
    LEAST_PRESENCE,
    BlazeHand,
    Hand,
    hand_region,
)
from la2ds_cli.poses.clip import ClipTask, RawJoints, check_length, cleaned
from la2ds_cli.poses.cuts import CutDetector
from la2ds_cli.poses.passes import Detections
from la2ds_cli.poses.rotated_crop import Region
from la2ds_cli.poses.tflite_model import cpu_only
from la2ds_cli.poses.threads import Instances
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.reader import Image

NETWORK, DETECTOR = "blazehand", "blazehand-detector"  # entries in the list of weights
MOST_HANDS = 2
_VERSION = 1  # raised when the same networks give other joints
_SAME = 0.5  # intersection over union of their boxes from which two hands are one
_MARGIN = 0.1  # of a box around landmarks, share of its longer side
_SIDES = ("left", "right")


def identity() -> str:
    """The name and the digests of the two networks."""
    detector = weights_identity(DETECTOR).partition(":")[2]
    return f"{weights_identity(NETWORK)}:{detector}:{_VERSION}"


def open_networks(device: DeviceName) -> Instances[BlazeHand]:
    """The networks, opened once to check them. Raises UserError (exit 6) for missing weights or
    CUDA."""
    cpu_only("blazehand", device)
    paths = fetch_weights(DETECTOR), fetch_weights(NETWORK)
    networks = Instances(lambda: BlazeHand(*paths))
    with networks.borrow():
        return networks


def pose_hands(
    task: ClipTask, networks: Instances[BlazeHand], progress: Progress | None = None
) -> PoseSequence:
    """The hands of a clip: hands42 of both, or hand21 of the side that task.subject names.

    All joints of a hand have the score of the hand; a hand that is not seen is NaN. Metres are
    relative to the middle of the hand, and only for a single hand, since the position of two hands
    relative to each other is not known. info as pose_clip, with `hands`: share of the frames with
    each.

    Raises UserError (exit 4): V002 for a clip that is too short, V020 if no such hand is seen.
    """
    progress = progress or Progress()
    frames = task.decoded()
    cuts, times, sources = CutDetector(), [], []
    tracker = HandTracker()
    seen: list[list[TrackedHand]] = []
    with networks.borrow() as network:
        for chunk in frames.chunks():
            for frame in chunk.frames:
                cuts.add(frame.image)
                times.append(frame.time)
                sources.append(frame.source)
                seen.append(tracker.next(network, frame.image))
            progress.advance(2 * len(chunk.frames))  # a body takes two passes
    check_length(task, len(seen))
    detections = Detections([], np.array(times), np.array(sources), tuple(map(int, cuts.rows())))
    hands = by_side(seen)
    wanted = [side for side in _SIDES if task.subject in ("hands", f"{side}-hand")]
    share = {side: len(hands[side]) / len(seen) for side in _SIDES}
    if not any(hands[side] for side in wanted):
        raise _no_hand(task, share)
    raw = _joints(hands, wanted, len(seen))
    info = {
        "people": 1,
        "persons": 1,
        "person": 1,
        "persons_wanted": 1,
        "margin": 1.0,
        "ambiguous": False,
        "cuts": 0,
        "cut_rows": list(detections.cuts),
        "candidates": [],
        "hands": {side: round(value, 4) for side, value in share.items()},
    }
    skeleton = "hands42" if len(wanted) == 2 else "hand21"
    pose = cleaned(task, raw, detections, skeleton, info)
    # Over the joints that are seen: a clip of one hand is not a doubtful one.
    known = pose.score[pose.score > 0]
    mean = round(float(known.mean()), 4) if len(known) else 0.0
    return replace(pose, info={**pose.info, "mean_score": mean})


TrackedHand = tuple[int, Hand]  # the number of a followed hand, and what is seen of it


class HandTracker:
    """Follows up to two hands from frame to frame."""

    def __init__(self) -> None:
        self._regions: dict[int, Region] = {}
        self._count = 0

    def next(self, network: BlazeHand, image: Image) -> list[TrackedHand]:
        """The hands of the next frame (H, W, 3) uint8 RGB."""
        found: list[TrackedHand] = []
        for number, region in self._candidates(network, image, found):
            hand = network.landmarks(image, region)
            others = np.array([hand_box(other.xy) for _, other in found]).reshape(-1, 4)
            twice = (boxes.iou(others, hand_box(hand.xy)[None]) > _SAME).any()
            if hand.score >= LEAST_PRESENCE and not twice:
                found.append((number, hand))
        self._regions = {number: hand_region(hand.xy) for number, hand in found}
        return found

    def _candidates(
        self, network: BlazeHand, image: Image, found: Sequence[TrackedHand]
    ) -> Iterator[tuple[int, Region]]:
        """Previous hand positions, then palms, until `found` has enough."""
        yield from self._regions.items()
        if len(found) >= MOST_HANDS:
            return
        for region in network.detect(image):
            if len(found) >= MOST_HANDS:
                return
            self._count += 1
            yield self._count, region


def by_side(seen: Sequence[Sequence[TrackedHand]]) -> dict[str, dict[int, Hand]]:
    """`left` and `right` -> the hands in the T frames of a clip, by row.

    A hand is left if the mean over all frames in which it was followed says so; of two hands in one
    frame, the one that is more likely left is the left hand.
    """
    votes: dict[int, list[float]] = {}
    for frame in seen:
        for number, hand in frame:
            votes.setdefault(number, []).append(hand.left)
    left = {number: float(np.mean(values)) for number, values in votes.items()}
    hands: dict[str, dict[int, Hand]] = {side: {} for side in _SIDES}
    for row, frame in enumerate(seen):
        ordered = sorted(frame, key=lambda tracked: -left[tracked[0]])
        sides = ("right",) if len(frame) == 1 and left[frame[0][0]] < 0.5 else _SIDES
        for side, (_, hand) in zip(sides, ordered, strict=False):
            hands[side][row] = hand
    return hands


def hand_box(xy: FloatArray) -> FloatArray:
    """Box (4,) around landmarks xy (21, 2)."""
    low, high = xy.min(axis=0), xy.max(axis=0)
    grow = _MARGIN * (high - low).max()
    return np.concatenate([low - grow, high + grow])


def _joints(hands: dict[str, dict[int, Hand]], wanted: Sequence[str], length: int) -> RawJoints:
    raw = RawJoints.empty(length, LANDMARKS * len(wanted), world=len(wanted) == 1)
    for n, side in enumerate(wanted):
        of = slice(n * LANDMARKS, (n + 1) * LANDMARKS)
        for row, hand in hands[side].items():
            raw.xy[row, of], raw.score[row, of] = hand.xy, min(hand.score, 1.0)
            raw.box[row] = boxes.union(raw.box[row], hand_box(hand.xy))
            if raw.world is not None:
                raw.world[row, of] = hand.world
    return raw


def _no_hand(task: ClipTask, share: dict[str, float]) -> UserError:
    name = {"hands": "hand"}.get(task.subject, task.subject.replace("-", " "))
    other = [f"{side}-hand" for side, value in share.items() if value]
    hint = (
        "film the hands from nearer; they are searched for in the whole picture, shrunk to 192 "
        "pixels"
    )
    return UserError(
        f"no {name} found in {task.path}",
        hint=f"--subject {other[0]}, which is seen" if other else hint,
        exit_code=ExitCode.UNUSABLE,
        code="V020",
    )
