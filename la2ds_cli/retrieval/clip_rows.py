"""Per-frame features of a project's clips for retrieval, the same for every search.

Two parts are weighed into one distance. The embedding of a run shows the pose. The movement of the
joints (`movement_and_course`) also shows where they come from and go to, which tells an impact from
the address that looks like it. `align.movement` is its weight, as in an alignment; with 0, or with
a run of unknown spread, frames are compared by the embedding alone, as in the paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from la2ds_cli.alignment.clip_features import MOVEMENT_SPREAD
from la2ds_cli.core import artifact
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Mismatch
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.stored_project import BASE_RUN, StoredProject
from la2ds_cli.core.types import FloatArray, IntArray, Phase, PoseSequence
from la2ds_cli.core.view import UNTURNED, View
from la2ds_cli.features.body_joints import body_joints, is_body
from la2ds_cli.features.camera_views import seen
from la2ds_cli.features.tempo import movement_and_course
from la2ds_cli.network.embed import embedding_recipe, possible_embeddings, trained_meanwhile
from la2ds_cli.network.load_network import light_embedder, run_frames
from la2ds_cli.network.run_weights import run_header, weights_key

SEARCHED = UNTURNED
"""Views in which a query is compared; turning it to each clip would take too long."""
_AT_ONCE = 1000  # clips whose embeddings are read at once


@dataclass(frozen=True)
class ClipRows:
    """The rows of one clip.

    value: (T, D) float32 features.
    time: (T,) float64 seconds.
    phase: (T,) labels, None without one.
    """

    value: FloatArray
    time: FloatArray
    phase: np.ndarray

    @classmethod
    def of(
        cls, value: FloatArray, frame: IntArray, time: FloatArray, phases: Sequence[Phase] = ()
    ) -> ClipRows:
        """Return rows with the label of each frame; where two phases overlap, the first's.

        Parameters
        ----------
        value: (T, D) features.
        frame: (T,) numbers in the source file.
        time: (T,) seconds.
        phases: labelled spans of frames.
        """
        label = np.full(len(frame), None, dtype=object)
        for phase in reversed(phases):
            label[(frame >= phase.start) & (frame < phase.end)] = phase.name
        return cls(value, time, label)


@dataclass(frozen=True)
class SearchFeatures:
    """Features of the clips of a project, read when they are needed.

    kind: `model` or `pose`.
    skeleton: of the clips that have features.
    model: digest of the weights, empty for raw poses.
    keys: for each clip, the key of the poses or the embedding used for its rows.
    views: in which a query can be compared.
    left_out: clips without features, with the reason; `rows` adds to it.
    rows: yields those of the named clips that have features, each with its rows, in order.
    seen: returns the features (T, D) of poses in a view.
    weight: of the movement beside an embedding; 0 = without it.
    """

    kind: str
    skeleton: str
    model: str
    keys: Mapping[str, str]
    views: tuple[View, ...]
    left_out: dict[str, str]
    rows: Callable[[Iterable[str]], Iterator[tuple[str, ClipRows]]]
    seen: Callable[[PoseSequence, View], FloatArray]
    weight: float = 0.0

    def in_view(self, view: View) -> SearchFeatures:
        """Return these features for a query in this view alone; raises UserError (exit 5) if it
        cannot be compared so."""
        if view not in self.views:
            raise Mismatch(
                f"--view {view} is impossible for a run that reads video frames",
                hint="--features base or pose compares joints, which can be flipped",
            )
        return replace(self, views=(view,))


def pose_features(project: StoredProject, skeleton: str) -> SearchFeatures:
    """Return the movement of the joints (`searched_movement`) of all clips with a skeleton."""
    (keys, left_out), phases = _posed(project, skeleton, "the query"), project.phases()

    def read(clips: Iterable[str]) -> Iterator[tuple[str, ClipRows]]:
        for clip in clips:
            pose = project.read_pose(clip)[0]
            if np.isnan(pose.xy).all():
                left_out[clip] = f"no joint was seen in {clip}"
                continue
            moving = searched_movement(pose).astype(np.float32)
            yield clip, ClipRows.of(moving, pose.frame, pose.time, phases.get(clip, ()))

    def in_view(pose: PoseSequence, view: View) -> FloatArray:
        return searched_movement(seen(pose, view)).astype(np.float32)

    return SearchFeatures("pose", skeleton, "", keys, SEARCHED, left_out, read, in_view)


def searched_movement(pose: PoseSequence) -> FloatArray:
    """Return `movement_and_course` (T, 8K) of the 13 joints of a body; of all joints of a hand."""
    return movement_and_course(body_joints(pose) if is_body(pose.skeleton) else pose)


def model_features(
    project: StoredProject, run: str, skeleton: str, device: DeviceName, progress: Progress
) -> SearchFeatures:
    """Return the embeddings by a run, beside the movement of the joints; missing embeddings are
    computed first.

    Parameters
    ----------
    run: whose network is used.
    skeleton: of the query; needed for the base model, which embeds clips of several skeletons.
    device: where the network computes.

    Raises
    ------
    UserError: as possible_embeddings.
    """
    if run != BASE_RUN:
        skeleton = light_embedder(project, run, device).skeleton
    (poses, left_out), phases = _posed(project, skeleton, "the model"), project.phases()
    model, frames = weights_key(project, run), run_frames(project, run)
    keys = {clip: embedding_recipe(model, key, clip, frames).key for clip, key in poses.items()}
    spread = run_header(project, run).spread
    weight = project.config().align.movement if spread else 0.0

    def beside_movement(embedding: FloatArray, pose: PoseSequence) -> FloatArray:
        moving = math.sqrt(weight) / MOVEMENT_SPREAD * searched_movement(pose)
        return np.concatenate([embedding / spread, moving], axis=1, dtype=np.float32)

    def read(clips: Iterable[str]) -> Iterator[tuple[str, ClipRows]]:
        wanted = iter(clips)
        while part := list(islice(wanted, _AT_ONCE)):
            embeddings, failed = possible_embeddings(project, run, part, device, progress)
            for clip in part:
                if clip in failed:
                    left_out[clip] = failed[clip].message
                    continue
                own, value = embeddings[clip], embeddings[clip].value
                if own.model != model:
                    raise trained_meanwhile(run)
                if weight:
                    pose = project.read_pose(clip)[0]
                    if not np.array_equal(pose.frame, own.frame):
                        left_out[clip] = f"the poses of {clip} have changed meanwhile"
                        continue
                    value = beside_movement(value, pose)
                yield clip, ClipRows.of(value, own.frame, own.time, phases.get(clip, ()))

    def in_view(pose: PoseSequence, view: View) -> FloatArray:
        viewed = seen(pose, view)
        value = light_embedder(project, run, device)([viewed])[0]
        return beside_movement(value, viewed) if weight else value

    views = SEARCHED if frames is None else SEARCHED[:1]  # video frames show a clip as filmed
    return SearchFeatures("model", skeleton, model, keys, views, left_out, read, in_view, weight)


def _posed(
    project: StoredProject, skeleton: str, owner: str
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the key of the poses of every clip with this skeleton, in the order of videos.csv; and
    the other clips with poses, each with a reason that names the `owner` of the skeleton."""
    keys, left_out = {}, {}
    for video in project.videos():
        try:
            recipe, facts = project.pose_header(video.id)
        except artifact.MissingArtifact:
            continue
        except artifact.ArtifactError as error:
            left_out[video.id] = str(error)
            continue
        if facts["skeleton"] == skeleton:
            keys[video.id] = recipe.key
        else:
            left_out[video.id] = f"has the skeleton {facts['skeleton']}, {owner} has {skeleton}"
    return keys, left_out
