"""Features of the video frames of clips (`model.input=rgb`), computed once and kept in the project.

One file per clip, features/<id>.safetensors: the frames nearest to the moments at which the model
looks (`train.fps`), and their mirror images, through the frozen network of la2ds_models.resnet.
What a training or an embedding asks for at other moments is interpolated in time, as joints are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.clip import Video
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, free_cores, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.resample import interpolate, resample_pose, time_grid
from la2ds_cli.poses.sources import content_digest
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.reader import Frame, VideoFile, read_ahead, video_file

if TYPE_CHECKING:
    from la2ds_models.resnet import Conv4c

STEP = "frame-features"
VERSION = 1
_KEPT = 256  # clips whose features stay in memory


@dataclass(frozen=True)
class FrameFeatures:
    """Features of R frames of a clip. frame: (R,) int64 frames of the file; time: (R,) float64
    seconds; value, mirrored: (R, D) float32, of the frames and of their mirror images."""

    frame: IntArray
    time: FloatArray
    value: FloatArray
    mirrored: FloatArray


def features_recipe(video: Video, pose: PoseSequence, fps: float, weights: str) -> Recipe:
    """Recipe of a clip's features: the file and how it is read, the moments of its poses, the rate
    and the identity of the weights. Which joints were found there does not matter."""
    moments = hashlib.sha256(pose.frame.tobytes() + pose.time.tobytes()).hexdigest()
    config = {"fps": fps, "options": video.options}
    inputs = {"video": video.sha256, "moments": moments, "weights": weights}
    return Recipe(STEP, VERSION, config, inputs)


def shown_rows(pose: PoseSequence, fps: float) -> IntArray:
    """Rows (R,) of the frames that are nearest to the moments of the model, each once."""
    nearest = resample_pose(pose, time_grid(pose.time, fps)).frame
    return np.flatnonzero(np.isin(pose.frame, nearest))


class FrameReader:
    """Features of the frames of a project's clips at a run's rate; those that are missing or stale
    are made first. weights: identity of `model.rgb_weights`.

    Calling it with the id of a clip and seconds (G,) gives (G, 1024). UserError that names the
    clip: exit 3 where its video is gone, 4 where it came without pictures, 5 where the video is
    another one than its poses were made from; and what load_network raises.
    """

    def __init__(
        self,
        project: Project,
        config: Config,
        weights: str,
        device: DeviceName = "auto",
        progress: Progress | None = None,
    ) -> None:
        self._project = project
        self._fps = config.train.fps
        self._named, self.weights = config.model.rgb_weights, weights
        self._device: DeviceName = device
        self._progress = progress or Progress()
        self._network: Conv4c | None = None
        self._videos = {video.id: video for video in project.videos()}
        self.read = lru_cache(maxsize=_KEPT)(self._read)

    def __call__(self, clip: str, at: FloatArray) -> FloatArray:
        found = self.read(clip)
        return interpolate(found.value, found.time, at)

    def both(self, clip: str, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(G, 1024) of the frames and of their mirror images."""
        found = self.read(clip)
        return interpolate(found.value, found.time, at), interpolate(found.mirrored, found.time, at)

    def key(self, clip: str) -> str:
        """Identity of the features of a clip; computes none."""
        return self._recipe(clip, self._project.read_pose(clip)[0]).key

    def check(self, clips: Sequence[str]) -> None:
        """UserError for the first clip whose features are not there and cannot be made, before
        any work; names how many more there are."""
        missing = [clip for clip in clips if self._is_stale(clip)]
        problems = []
        for clip in missing:
            try:
                self._file(clip)
            except UserError as error:
                problems.append(error)
        if problems:
            first, more = problems[0], len(problems) - 1
            rest = f", and {more} more clips are like it" if more else ""
            raise UserError(f"{first.message}{rest}", hint=first.hint, exit_code=first.exit_code)
        if missing:
            self._load()

    def ensure(self, clips: Sequence[str]) -> None:
        """Make what is missing or stale."""
        missing = [clip for clip in clips if self._is_stale(clip)]
        if not missing:
            return
        self._progress.begin("features of video frames", len(missing))
        for clip in missing:
            self._make(clip, self._project.read_pose(clip)[0])
            self._progress.advance()
        self._progress.end()

    def _read(self, clip: str) -> FrameFeatures:
        pose = self._project.read_pose(clip)[0]
        path = self._project.features_path(clip)
        if artifact.staleness(path, self._recipe(clip, pose)) is not None:
            return self._make(clip, pose)
        return FrameFeatures(**artifact.read_arrays(path)[0])

    def _is_stale(self, clip: str) -> bool:
        recipe = self._recipe(clip, self._project.read_pose(clip)[0])
        return artifact.staleness(self._project.features_path(clip), recipe) is not None

    def _recipe(self, clip: str, pose: PoseSequence) -> Recipe:
        return features_recipe(self._video(clip), pose, self._fps, self.weights)

    def _video(self, clip: str) -> Video:
        if clip not in self._videos:
            raise UserError(
                f"videos.csv does not list {clip}",
                hint="extract or import the clip again",
                exit_code=ExitCode.MISMATCH,
            )
        return self._videos[clip]

    def _file(self, clip: str) -> VideoFile:
        """The file of a clip, if it is still the one that its poses were made from."""
        video = self._video(clip)
        path = self._project.source(video)
        if not path.exists():
            raise UserError(
                f"the video of {clip} is gone: {path}",
                hint="put it back; or use a method that reads joints (--input joints)",
                exit_code=ExitCode.UNREADABLE,
            )
        file = video_file(self._project, video)
        if file is None:
            raise UserError(
                f"{clip} has no pictures: its joints come from {path.name}",
                hint="import it again with --video, or extract-poses from its video; or use "
                "--input joints",
                exit_code=ExitCode.UNUSABLE,
            )
        if content_digest(path) != video.sha256:
            raise UserError(
                f"the video of {clip} has changed since its poses were made: {path}",
                hint="put the old file back, or run la2ds extract-poses on the new one",
                exit_code=ExitCode.MISMATCH,
            )
        return file

    def _make(self, clip: str, pose: PoseSequence) -> FrameFeatures:
        file = self._file(clip)
        network = self._load()
        row = shown_rows(pose, self._fps)
        frame = pose.frame[row]
        value, mirrored = compute(network, file, frame, self._device)
        found = FrameFeatures(frame, pose.time[row], value, mirrored)
        artifact.write_arrays(
            self._project.features_path(clip), vars(found), self._recipe(clip, pose)
        )
        return found

    def _load(self) -> Conv4c:
        if self._network is None:
            self._network = load_network(self._named, self.weights)
        return self._network


def frame_reader(
    project: Project,
    config: Config,
    weights: str = "",
    device: DeviceName = "auto",
    progress: Progress | None = None,
) -> FrameReader | None:
    """What gives a network of these settings its video frames; None for one that reads none.

    weights: identity of those that a run was trained with, empty = as the settings say now.
    """
    if config.model.input != "rgb":
        return None
    known = weights or identity_of(config.model.rgb_weights)
    return FrameReader(project, config, known, device, progress)


# --- the network that reads video frames (la2ds_models.resnet) ------------------------------------

KIND = "frames"  # of the entries of la2ds_models/zoo.toml
_FILES = (".pth", ".pt", ".safetensors")
_BATCH = 8  # frames, and as many mirror images


def identity_of(weights: str) -> str:
    """Identity of `model.rgb_weights`: a zoo entry by name and hash, without its file; else the
    digest of the file. UserError: exit 2 for a name that is none, 6 where there is no such file."""
    from la2ds_models.weight_files import zoo

    names = [name for name, entry in zoo().items() if entry.kind == KIND]
    if weights in names:
        return weights_identity(weights)
    if not weights.lower().endswith(_FILES):
        raise UserError(
            f"model.rgb_weights names no weights: '{weights}'",
            hint=f"{', '.join(names)}, or a file of torchvision's ResNet-50 ({', '.join(_FILES)})",
        )
    if not Path(weights).is_file():
        raise UserError(
            f"there is no file {weights}, which model.rgb_weights names",
            hint="put it back, or name where it lies with --set model.rgb_weights=FILE",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return artifact.file_digest(Path(weights))


def load_network(weights: str, identity: str) -> Conv4c:
    """The network of `model.rgb_weights`, fetched where it is missing; never a random one.

    UserError (exit 6) as fetch_weights, for no such file and for one that is no ResNet-50; (exit
    5) for another file than `identity`, which a run was trained with.
    """
    from la2ds_models.resnet import load_resnet

    if identity_of(weights) != identity:
        raise UserError(
            f"the weights {weights} are not those that the run was trained with",
            hint="put that file back, or train again with --overwrite",
            exit_code=ExitCode.MISMATCH,
        )
    path = Path(weights) if weights.lower().endswith(_FILES) else fetch_weights(weights)
    try:
        return load_resnet(path)
    except (ValueError, OSError, RuntimeError, EOFError, UnpicklingError) as error:
        raise UserError(
            f"{path} does not hold the weights of a ResNet-50: {str(error).splitlines()[0]}",
            hint="name a file of torchvision's resnet50 with --set model.rgb_weights=FILE",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def compute(
    network: Conv4c, file: VideoFile, frame: IntArray, device: DeviceName = "auto"
) -> tuple[FloatArray, FloatArray]:
    """Features (R, D) float32 of the frames `frame` (R,) of a file, rising numbers as
    PoseSequence.frame has them, and of their mirror images. UserError (exit 5) where the file has
    no such frame."""
    import torch

    from la2ds_models.resnet import prepare

    target = resolve_device(device)
    if target.type == "cpu":  # as in embedding.trained.torch_embedder
        torch.set_num_threads(min(torch.get_num_threads(), free_cores()))
    network.to(target)
    parts = []
    for batch in _batches(file, frame):
        with torch.inference_mode():
            image = prepare([shown.image for shown in batch], target)
            parts.append(network(torch.cat([image, image.flip(-1)])).float().cpu().numpy())
    value = np.concatenate([part[: len(part) // 2] for part in parts])
    return value, np.concatenate([part[len(part) // 2 :] for part in parts])


def _batches(file: VideoFile, frame: IntArray) -> Iterator[list[Frame]]:
    """The frames in question, a few at a time; a thread decodes ahead."""
    wanted, batch, found = set(frame.tolist()), [], 0
    with closing(read_ahead(file.frames(), _BATCH)) as frames:
        for shown in frames:
            if shown.source in wanted:
                batch.append(shown)
                found += 1
            if len(batch) == _BATCH or (batch and found == len(wanted)):
                yield batch
                batch = []
            if found == len(wanted):
                return
    raise UserError(
        f"{file.path} has {found} of {len(wanted)} frames that its poses name",
        hint="put the file back that the poses were made from, or extract or import them again",
        exit_code=ExitCode.MISMATCH,
    )
