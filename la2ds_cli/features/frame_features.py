"""Features of the video frames of clips (`model.input=rgb`), computed once and stored.

Each clip has one file, features/<id>.safetensors. It holds the features of the frames nearest to
the times that the model samples (`train.fps`), and of their mirror images, computed by the frozen
network of la2ds_models.resnet. Features at other times are interpolated, as joints are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache, lru_cache
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.config import Config
from la2ds_cli.core.device import DeviceName, free_cores, resolve_device, torch_threads
from la2ds_cli.core.errors import ExitCode, Mismatch, Unavailable, UserError, first_line
from la2ds_cli.core.progress import SILENT, Progress
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import FloatArray, IntArray, PoseSequence
from la2ds_cli.features.resample import interpolate, resample_pose
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.reader import Frame, VideoFile, has_changed, read_ahead, video_file
from la2ds_cli.video.source_version import has_content
from la2ds_models import weight_files

if TYPE_CHECKING:
    from la2ds_models.resnet import Conv4c

STEP = "frame-features"
VERSION = 1
_CACHED_CLIPS = 256  # clips whose features stay in memory


class FrameFeatures(NamedTuple):
    """Features of R frames of a clip.

    frame: (R,) int64 frames of the file. time: (R,) float64 seconds. value, mirrored: (R, D)
    float32, of the frames and of their mirror images.
    """

    frame: IntArray
    time: FloatArray
    value: FloatArray
    mirrored: FloatArray


def sampled_rows(pose: PoseSequence, fps: float) -> IntArray:
    """Return rows (R,), without repeats, of the frames nearest to the times that a model samples
    at `fps`."""
    nearest = resample_pose(pose, pose.axis.grid(fps)).frame
    return np.flatnonzero(np.isin(pose.frame, nearest))


class FrameFeatureReader:
    """Features of the video frames of a project's clips at a run's rate.

    Calling the reader with the id of a clip and seconds (G,) returns (G, 1024). Features that are
    missing or stale are computed first. weights: identity of `model.rgb_weights`.

    Raises
    ------
    UserError: names the clip. Exit 3 if its video is missing, or changes while it is read (V014); 4
        if it was imported without a video; 5 if the video is not the one used for its poses; and as
        load_network.
    """

    def __init__(
        self,
        project: StoredProject,
        config: Config,
        weights: str,
        device: DeviceName = "auto",
        progress: Progress = SILENT,
    ) -> None:
        self._project = project
        self._fps = config.train.fps
        self._weights_name, self.weights = config.model.rgb_weights, weights
        self._device: DeviceName = device
        self._progress = progress
        self.read = lru_cache(maxsize=_CACHED_CLIPS)(self._read)
        self._load = cache(lambda: load_network(self._weights_name, self.weights))

    def __call__(self, clip: str, at: FloatArray) -> FloatArray:
        return self.with_mirrored(clip, at)[0]

    def with_mirrored(self, clip: str, at: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the features (G, 1024) of a clip at seconds (G,), and of its mirror image."""
        stored = self.read(clip)
        value, mirrored = stored.value, stored.mirrored
        return interpolate(value, stored.time, at), interpolate(mirrored, stored.time, at)

    def key(self, clip: str) -> str:
        """Return the identity of a clip's features, without computing them."""
        return self._recipe(clip, self._project.read_pose(clip)[0]).key

    def check(self, clips: Sequence[str]) -> None:
        """Check before any work that missing features can be computed.

        Raises
        ------
        UserError: for the first clip that fails.
        """
        missing = self._missing(clips)
        for clip in missing:
            self._file(clip)
        if missing:
            self._load()

    def ensure(self, clips: Sequence[str]) -> None:
        """Compute the features that are missing or stale."""
        if missing := self._missing(clips):
            for clip in self._progress.over("features of video frames", missing):
                self.read(clip)

    def _missing(self, clips: Sequence[str]) -> list[str]:
        return [clip for clip in clips if self._stale(clip, self._project.read_pose(clip)[0])]

    def _stale(self, clip: str, pose: PoseSequence) -> bool:
        path = self._project.features_path(clip)
        return artifact.staleness(path, self._recipe(clip, pose)) is not None

    def _recipe(self, clip: str, pose: PoseSequence) -> Recipe:
        """Return the recipe of a clip's features: the file and how it is read, the times of its
        poses, the rate and the identity of the weights. The detected joints do not matter."""
        video = self._project.clip(clip)
        moments = hashlib.sha256(pose.frame.tobytes() + pose.time.tobytes()).hexdigest()
        config = {"fps": self._fps, "options": video.options}
        inputs = {"video": video.sha256, "moments": moments, "weights": self.weights}
        return Recipe(STEP, VERSION, config, inputs)

    def _read(self, clip: str) -> FrameFeatures:
        """Return the stored features of a clip, computed first if they are missing or stale."""
        pose, path = self._project.read_pose(clip)[0], self._project.features_path(clip)
        if not self._stale(clip, pose):
            return FrameFeatures(**artifact.read_arrays(path)[0])
        file, network = self._file(clip), self._load()
        row = sampled_rows(pose, self._fps)
        value, mirrored = compute(network, file, pose.frame[row], self._device)
        file.verify()
        features = FrameFeatures(pose.frame[row], pose.time[row], value, mirrored)
        artifact.write_arrays(path, features._asdict(), self._recipe(clip, pose))
        return features

    def _file(self, clip: str) -> VideoFile:
        """Return the video file of a clip, if it is still the one used for its poses."""
        video = self._project.clip(clip)
        path = self._project.source(video)
        file = video_file(self._project, video)
        if not path.exists():
            problem, code = f"the video of {clip} is missing: {path}", ExitCode.UNREADABLE
            hint = "put it back, or use a method that reads joints (--input joints)"
        elif file is None and not has_changed(self._project, video):
            problem = f"{clip} has no video frames: its joints come from {path.name}"
            hint = "import it again with --video, or extract-poses from its video; or use "
            hint, code = f"{hint}--input joints", ExitCode.UNUSABLE
        elif file is None or not has_content(path, video.sha256):
            problem = f"the video of {clip} has changed since its poses were extracted: {path}"
            hint = "put the old file back, or run la2ds extract-poses on the new one"
            code = ExitCode.MISMATCH
        else:
            return file
        raise UserError(problem, hint=hint, exit_code=code)


def frame_feature_reader(
    project: StoredProject,
    config: Config,
    weights: str = "",
    device: DeviceName = "auto",
    progress: Progress = SILENT,
) -> FrameFeatureReader | None:
    """Return the reader of frame features for a network, None if it reads no frames.

    Parameters
    ----------
    config: settings of the network.
    weights: identity of the ResNet weights used in training; empty = those of the settings.
    device: where the ResNet computes.
    progress: shows missing features being computed.
    """
    if config.model.input != "rgb":
        return None
    identity = weights or identity_of(config.model.rgb_weights)
    return FrameFeatureReader(project, config, identity, device, progress)


# --- the network that reads video frames (la2ds_models.resnet) ------------------------------------

KIND = "frames"  # of the entries of la2ds_models/zoo.toml
_FILES = (".pth", ".pt", ".safetensors")
_BATCH = 8  # frames, and as many mirror images


def identity_of(weights: str) -> str:
    """Return the identity of `model.rgb_weights`: name and hash of a zoo entry (whose file is not
    needed), else the digest of the file.

    Raises
    ------
    UserError: if the name is unknown (exit 2) or the file does not exist (exit 6).
    """
    names = [name for name, entry in weight_files.zoo().items() if entry.kind == KIND]
    if weights in names:
        return weights_identity(weights)
    if not weights.lower().endswith(_FILES):
        raise UserError(
            f"unknown model.rgb_weights '{weights}'",
            hint=f"{', '.join(names)}, or a file of torchvision's ResNet-50 ({', '.join(_FILES)})",
        )
    if not Path(weights).is_file():
        raise Unavailable(
            f"the file of model.rgb_weights does not exist: {weights}",
            hint="put it back, or give its new path with --set model.rgb_weights=FILE",
        )
    return artifact.file_digest(Path(weights))


def load_network(weights: str, identity: str) -> Conv4c:
    """Return the network of `model.rgb_weights`, downloaded if it is missing; never a random one.

    Parameters
    ----------
    weights: name or file.
    identity: of the weights with which a run was trained.

    Raises
    ------
    UserError: exit 5 for another identity; 6 as fetch_weights does, and if the file does not exist
        or is not a ResNet-50.
    """
    from la2ds_models.resnet import load_resnet

    if identity_of(weights) != identity:
        raise Mismatch(
            f"the run was trained with other weights than {weights}",
            hint="put that file back, or train again with --overwrite",
        )
    path = Path(weights) if weights.lower().endswith(_FILES) else fetch_weights(weights)
    try:
        return load_resnet(path)
    except (ValueError, OSError, UnpicklingError) as error:
        raise Unavailable(
            f"{path} does not hold the weights of a ResNet-50: {first_line(error)}",
            hint="name a file of torchvision's ResNet-50 with --set model.rgb_weights=FILE",
        ) from error


def compute(
    network: Conv4c, file: VideoFile, frame: IntArray, device: DeviceName = "auto"
) -> tuple[FloatArray, FloatArray]:
    """Return features (R, D) float32 of frames of a file, and of their mirror images.

    Parameters
    ----------
    network: computes the features; moved to the device.
    file: the video.
    frame: (R,) increasing frame numbers, as in PoseSequence.frame.
    device: where to compute.

    Raises
    ------
    UserError: exit 5 if the file lacks one of the frames.
    """
    import torch

    from la2ds_models.resnet import prepare

    target = resolve_device(device)
    network.to(target)
    # as in network.load_network.torch_embedder
    threads = min(torch.get_num_threads(), free_cores()) if target.type == "cpu" else 1
    parts = []
    for batch in _batches(file, frame):
        with torch.inference_mode(), torch_threads(threads):
            image = prepare([shown.image for shown in batch], target)
            parts.append(network(torch.cat([image, image.flip(-1)])).float().cpu().numpy())
    value = np.concatenate([part[: len(part) // 2] for part in parts])
    return value, np.concatenate([part[len(part) // 2 :] for part in parts])


def _batches(file: VideoFile, frame: IntArray) -> Iterator[list[Frame]]:
    """Yield the requested frames in batches; a thread decodes ahead."""
    wanted, batch, count = set(frame.tolist()), [], 0
    with closing(read_ahead(file.frames(), _BATCH)) as frames:
        for shown in frames:
            if shown.source in wanted:
                batch.append(shown)
                count += 1
            if len(batch) == _BATCH or (batch and count == len(wanted)):
                yield batch
                batch = []
            if count == len(wanted):
                return
    raise Mismatch(
        f"{file.path} has only {count} of the {len(wanted)} frames of its poses",
        hint="restore the original file, or extract or import the poses again",
    )
