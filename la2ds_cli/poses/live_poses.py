"""The joints of one person while a video plays, from the frames seen so far.

Extraction looks at a whole clip before it decides whom to follow. Here `choose_subject` chooses
among the people in one frame. That person is followed from box to box, and nobody else replaces
them until they have been gone for a second.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, PoseSequence
from la2ds_cli.poses import boxes
from la2ds_cli.poses.extraction import Extraction
from la2ds_cli.poses.networks import Detector, PoseBackend
from la2ds_cli.poses.passes import estimate_refined
from la2ds_cli.poses.subjects import choose_subject
from la2ds_cli.poses.tracking import CONTINUE_SHARE, MAX_GAP, MIN_IOU, make_track
from la2ds_cli.poses.weights import report_to
from la2ds_cli.video.reader import Frame

_LOST_SHARE = 0.5  # of the usual joint score, below which a frame shows nobody
_USUAL = 90  # frames whose median score is the usual score
_SEEN = 0.3  # joints scored below this say nothing about where the person is


@dataclass(frozen=True)
class LiveJoints:
    """The person in a frame: joints xy (K, 2) in pixels, NaN = not seen; score (K,), 0 = not seen;
    box (4,) in pixels."""

    xy: FloatArray
    score: FloatArray
    box: FloatArray


def live_poses(
    project: StoredProject,
    config: PosesConfig,
    reference: PoseSequence,
    device: DeviceName,
    progress: Progress,
) -> LivePoses:
    """Return a joint finder that uses the networks of the settings or, if these are `auto`, those
    that made the joints of `reference`.

    Raises UserError as `extract_poses` does for networks.
    """
    pose, detector = (str(reference.info.get(name, "")) for name in ("pose", "detector"))
    if config.pose == "auto" and pose and detector:
        config = replace(config, pose=pose, detector=detector)
    run = Extraction(project, replace(config, batch_size=1), device, progress)
    with report_to(progress):
        return LivePoses(run.detector, run.backend, config)


class LivePoses:
    """Finds the joints of one person; pass the frames to `joints` in order."""

    def __init__(self, detector: Detector, backend: PoseBackend, config: PosesConfig) -> None:
        self.detector, self.backend, self.config = detector, backend, config
        make = getattr(backend, "tracker", None)
        self._tracker = make() if make else None
        self._box: FloatArray | None = None
        self._seen = self._looked = -np.inf  # seconds of the last detection, and of the last try
        self._usual: deque[float] = deque(maxlen=_USUAL)

    @property
    def skeleton(self) -> str:
        """Name of the skeleton of the joints."""
        return self.backend.skeleton

    def joints(self, frame: Frame) -> LiveJoints | None:
        """Return the person in the next frame; None where nobody is seen."""
        detected = self._detected(frame)
        if self._box is None:
            return None
        box, xy, score = self._estimated(frame)
        mean = float(score.mean())
        if not detected:
            usual = float(np.median(self._usual)) if self._usual else 0.0
            if mean < _LOST_SHARE * usual or frame.time - self._seen > MAX_GAP:
                self._lose(frame.time)
                return None
        if mean > 0:
            self._usual.append(mean)
        self._box = self._followed(box, xy, score)
        hidden = (score < self.config.joint_threshold) | (score <= 0)
        xy, score = np.where(hidden[:, None], np.nan, xy), np.where(hidden, 0, score)
        return None if hidden.all() else LiveJoints(xy, score, box)

    def _detected(self, frame: Frame) -> bool:
        """Set the box and return whether the detector found the person, now or so recently that it
        need not run again."""
        rate = self.config.detect_rate
        due = not rate or frame.time - self._looked >= 1 / rate - 1e-6 or self._box is None
        if not due:
            return self._seen == self._looked
        self._looked = frame.time
        (detected,) = self.detector.detect([frame.image])
        size = frame.image.shape[1], frame.image.shape[0]
        box, score = boxes.clip(np.asarray(detected[:, :4], np.float64), size), detected[:, 4]
        if self._box is None:
            sure = score >= self.config.detect_threshold
            if not sure.any():
                return False
            people = zip(box[sure], score[sure], strict=True)
            tracks = [make_track(np.zeros(1), b[None], s[None]) for b, s in people]
            chosen = box[sure][choose_subject(tracks, size, 1)[0]]
        else:
            overlap = boxes.iou(box, self._box)
            overlap[score < CONTINUE_SHARE * self.config.detect_threshold] = 0
            if not len(overlap) or overlap.max() < MIN_IOU:
                return False
            chosen = box[int(overlap.argmax())]
        self._box, self._seen = chosen, frame.time
        return True

    def _estimated(self, frame: Frame) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the box, joints and scores of the person in the box."""
        assert self._box is not None
        if self._tracker is not None:
            xy, score, _ = self._tracker.estimate([frame.image], self._box[None])
            box = self._box[None]
        else:
            box, xy, score, _ = estimate_refined(self.backend, [frame.image], self._box[None])
        return box[0], np.asarray(xy[0], np.float64), np.asarray(score[0], np.float64)

    def _followed(self, box: FloatArray, xy: FloatArray, score: FloatArray) -> FloatArray:
        """Return where to look in the next frame: a box of the same size around the joints."""
        around = boxes.around_joints(xy[None], score[None], _SEEN)[0]
        if np.isnan(around).any():
            return box
        half = np.maximum(box[2:] - box[:2], around[2:] - around[:2]) / 2
        # Half way, since the box around the joints trembles as they do.
        middle = (boxes.centre(box) + boxes.centre(around)) / 2
        half = (half + (box[2:] - box[:2]) / 2) / 2
        return np.concatenate([middle - half, middle + half])

    def _lose(self, time: float) -> None:
        """Note that the person is not seen; after MAX_GAP seconds anybody may be followed."""
        if time - self._seen > MAX_GAP:
            self._box = None
        if self._tracker is not None:
            self._tracker.reset()
