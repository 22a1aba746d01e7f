"""Value types that steps exchange: frozen, checked on construction, numpy only.

Shape legend of the project: B clips, T frames, K joints, L limbs, H W heatmap cells,
P patches, D width, N M lengths of two sequences. Pixel coordinates are those of the upright
(rotation applied) original video: x right, y down, the centre of the first pixel is (0, 0).
NaN coordinates mean "not seen".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from la2ds_cli.core.arrays import BoolArray, FloatArray, IntArray
from la2ds_cli.core.data_frames import make_data_frame
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.time_axis import TimeAxis

Json = Any

_OPTIONAL = ("world", "trust")
_ARRAYS = ("xy", "score", "box", "frame", "time", *_OPTIONAL)  # fields of PoseSequence
MOST_FPS = 1e6  # frames per second
MOST_PIXELS = 10**6  # per side of a frame
MOST_SECONDS = 1e5  # from the first frame of a clip to its last, 28 hours


def check_array(owner: object, name: str, dtype: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Convert a field of a value to a contiguous array of `dtype`, set it, and return it.

    shape: None = any length. Raises ValueError for another shape.
    """
    array = np.ascontiguousarray(getattr(owner, name), dtype=dtype)
    object.__setattr__(owner, name, array)
    fits = len(array.shape) == len(shape) and all(
        want is None or want == got for want, got in zip(shape, array.shape, strict=True)
    )
    if not fits:
        shown = tuple("any" if want is None else want for want in shape)
        kind = type(owner).__name__
        raise ValueError(f"{kind}.{name}: expected shape {shown}, got {array.shape}")
    return array


@dataclass(frozen=True)
class PoseSequence:
    """Joints of one subject over one clip.

    xy: (T, K, 2) float32, original pixels, NaN = not seen.
    score: (T, K) float32 in [0, 1], 0 where xy is NaN.
    box: (T, 4) float32, xyxy of the subject in original pixels, NaN = not detected.
    frame: (T,) int64, index in decoding order.
    time: (T,) float64, seconds, strictly increasing.
    fps: nominal frames per second of the source.
    size: (width, height) in pixels, 0 = unknown.
    skeleton: a name of core.skeleton.
    info: JSON facts about the poses, such as the margin of the subject.
    clip: id of the project's clip, empty = not a clip of the project, or its joints were changed;
        not written, but set by the project when it reads poses.
    world: (T, K, 3) float32, joints in metres along the axes of the camera: x right, y down, z away
        from it; NaN = unknown, None = the clip has no 3D. The origin is the body's root if a
        network estimated the joints, and that of the file if they were imported: read positions
        relative to the root.
    spatial: whether features of the joints read `world`, which must be the same for all clips that
        are compared (pose_features.in_3d); not written.
    trust: (T, K) float32 in [0, 1], the probability that the position of a joint is right, 0 if it
        is not seen; None = not computed (see poses.trust.trust_of).

    Raises ValueError with expected and actual shape.
    """

    xy: FloatArray
    score: FloatArray
    box: FloatArray
    frame: IntArray
    time: FloatArray
    fps: float
    size: tuple[int, int]
    skeleton: str
    info: Mapping[str, Json] = field(default_factory=dict)
    clip: str = ""
    world: FloatArray | None = None
    spatial: bool = False
    trust: FloatArray | None = None

    def __post_init__(self) -> None:
        joints = len(get_skeleton(self.skeleton).joints)
        xy = check_array(self, "xy", np.float32, (None, joints, 2))
        length = len(xy)
        score = check_array(self, "score", np.float32, (length, joints))
        box = check_array(self, "box", np.float32, (length, 4))
        check_array(self, "frame", np.int64, (length,))
        time = check_array(self, "time", np.float64, (length,))
        expected = {
            "time: expected strictly increasing seconds": length < 2 or (np.diff(time) > 0).all(),
            "time: expected finite seconds": np.isfinite(time).all(),
            f"fps: expected a positive number of at most {MOST_FPS:g}, got {self.fps}": (
                0 < self.fps <= MOST_FPS
            ),
            f"size: expected pixels of at least 0 and at most {MOST_PIXELS:,}, got {self.size}": (
                all(0 <= side <= MOST_PIXELS for side in self.size)
            ),
            "score: expected finite numbers": np.isfinite(score).all(),
            "xy, box: expected pixels or NaN, got infinity": not (
                np.isinf(xy).any() or np.isinf(box).any()
            ),
        }
        if self.world is not None:
            world = check_array(self, "world", np.float32, (length, joints, 3))
            expected["world: expected metres or NaN, got infinity"] = not np.isinf(world).any()
        if self.trust is not None:
            trust = check_array(self, "trust", np.float32, (length, joints))
            fits = ((trust >= 0) & (trust <= 1)).all()
            expected["trust: expected numbers from 0 to 1"] = fits
        for text, fits in expected.items():
            if not fits:
                raise ValueError(f"PoseSequence.{text}")
        missing = np.isnan(xy).any(axis=-1)
        if missing.any() and score[missing].any():
            object.__setattr__(self, "score", np.where(missing, np.float32(0), score))

    def __len__(self) -> int:
        return len(self.xy)

    @cached_property
    def axis(self) -> TimeAxis:
        """The times of the frames."""
        return TimeAxis(self.time, self.fps)

    @property
    def somebody(self) -> BoolArray:
        """(T,) whether any joint is seen in a frame."""
        return np.asarray(np.isfinite(self.xy).all(axis=-1).any(axis=-1))

    def cut(self, start: int, stop: int) -> PoseSequence:
        """Return the frames start..stop (stop exclusive) with their time stamps."""
        arrays, _ = self.to_arrays()
        return replace(self, **{name: array[start:stop] for name, array in arrays.items()})

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with a row for each joint of each frame.

        The columns are `frame`, `time` in seconds, `joint`, `x` and `y` in pixels (NaN = not seen),
        `score`; `trust`, where it is computed; and `world_x`, `world_y` and `world_z` in metres for
        a clip in 3D. `attrs["units"]` has the units. Raises UserError (exit 6) without pandas.
        """
        names = get_skeleton(self.skeleton).joints
        units = {"time": "s", "x": "px", "y": "px"}
        columns: dict[str, Any] = {
            "frame": np.repeat(self.frame, len(names)),
            "time": np.repeat(self.time, len(names)),
            "joint": list(names) * len(self),
            "x": self.xy[..., 0].ravel(),
            "y": self.xy[..., 1].ravel(),
            "score": self.score.ravel(),
        }
        if self.trust is not None:
            columns["trust"] = self.trust.ravel()
        if self.world is not None:
            for axis, name in enumerate(("world_x", "world_y", "world_z")):
                columns[name], units[name] = self.world[..., axis].ravel(), "m"
        return make_data_frame(columns, units)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Json]]:
        """Return arrays and JSON facts for artifact.write_arrays."""
        arrays = {n: value for n in _ARRAYS if (value := getattr(self, n)) is not None}
        facts = {"fps": self.fps, "size": list(self.size), "skeleton": self.skeleton}
        return arrays, facts | {"info": dict(self.info)}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Json], clip: str = ""
    ) -> PoseSequence:
        """Return the sequence of to_arrays. clip: its id in the project."""
        fields: dict[str, Any] = {
            name: arrays[name] for name in _ARRAYS if name in arrays or name not in _OPTIONAL
        }
        return cls(
            **fields,
            fps=float(facts["fps"]),
            size=(int(facts["size"][0]), int(facts["size"][1])),
            skeleton=facts["skeleton"],
            info=facts.get("info", {}),
            clip=clip,
        )


@dataclass(frozen=True)
class EmbeddingSequence:
    """Embeddings of a clip, one row for every frame of its PoseSequence.

    value: (T, D) float32. frame: (T,) int64. time: (T,) float64 seconds. model: key of the
    checkpoint that computed them; sequences of different models must never be compared.
    """

    value: FloatArray
    frame: IntArray
    time: FloatArray
    model: str

    def __post_init__(self) -> None:
        length = len(check_array(self, "value", np.float32, (None, None)))
        check_array(self, "frame", np.int64, (length,))
        check_array(self, "time", np.float64, (length,))

    def __len__(self) -> int:
        return len(self.value)

    def to_arrays(self) -> tuple[dict[str, np.ndarray], dict[str, Json]]:
        """Return arrays and JSON facts for artifact.write_arrays."""
        return {"value": self.value, "frame": self.frame, "time": self.time}, {"model": self.model}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Json]
    ) -> EmbeddingSequence:
        """Return the sequence of to_arrays."""
        return cls(arrays["value"], arrays["frame"], arrays["time"], facts["model"])


PERSON = "person"
PROPAGATED = "carried"  # as in phases.csv and label files
CLIP_EDGE = "clip"


class Origins(NamedTuple):
    """Who placed the start and the end of a phase.

    PERSON: a person, in la2ds or in another tool.
    PROPAGATED: `transfer-labels`, from other clips, and nobody has checked it since.
    CLIP_EDGE: nobody, since the clip begins or ends there.
    Any other word: a rule, such as that of a data set.
    """

    start: str = PERSON
    end: str = PERSON


BY_PERSON = Origins()
BY_PROPAGATION = Origins(PROPAGATED, PROPAGATED)


@dataclass(frozen=True)
class Phase:
    """A named part of a clip: frames start..end, end exclusive, in frame indices of the source."""

    start: int
    end: int
    name: str
    origins: Origins = BY_PERSON

    @property
    def is_truth(self) -> bool:
        """Whether the phase is ground truth: no end is propagated, and one end is placed.

        All code that trains, measures or reports on labels uses this property.
        """
        return PROPAGATED not in self.origins and self.is_placed

    @property
    def is_placed(self) -> bool:
        """Whether a person or a rule placed an end, so that no command may replace the phase."""
        return not {*self.origins} <= {PROPAGATED, CLIP_EDGE}
