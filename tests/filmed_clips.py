"""Projects of drawn videos, and a network for their frames whose features can be read by eye."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from la2ds_cli.core.artifact import Recipe, file_digest
from la2ds_cli.core.clip import ClipOptions, Video
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import PoseSequence
from la2ds_cli.features import frame_features
from la2ds_cli.video.reader import read_frames, write_video
from la2ds_models.pose import IMAGENET_MEAN, IMAGENET_STD
from tests.movement import sequence, warped_phase

WIDTH, HEIGHT = 64, 64
SIDE = 32  # of the picture that the features are
RGB = ["model.input=rgb", "train.method=tcc"]


class Thumbnail(nn.Module):
    """(B, 3, 224, 224) normalised -> (B, 1024): a grey picture of 32 x 32 cells, in [0, 1]."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        mean, std = (torch.tensor(v)[:, None, None] for v in (IMAGENET_MEAN, IMAGENET_STD))
        grey = (image * std + mean).mean(dim=1, keepdim=True)
        return adaptive_avg_pool2d(grey, SIDE).flatten(1)


def use_thumbnails(patch: pytest.MonkeyPatch, weights: Path) -> list[str]:
    """Thumbnails instead of ResNet-50; gives the settings that name its weights."""
    weights.write_bytes(b"thumbnails")
    patch.setattr(frame_features, "load_network", lambda named, identity: Thumbnail())
    return [f'model.rgb_weights="{weights}"']


def brightness(features: np.ndarray) -> np.ndarray:
    """Grey level (R,) in 0..255 of thumbnails (R, 1024)."""
    return 255 * features.mean(axis=1)


def stripes(phase: np.ndarray) -> list[np.ndarray]:
    """Frames with a bright square on grey that goes down the left side as the phase goes on."""
    images = []
    for value in phase:
        image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
        top = round(4 + 40 * float(value))
        image[top : top + 16, 6:26] = 230
        images.append(image)
    return images


def film(
    project: StoredProject,
    name: str,
    images: Sequence[np.ndarray],
    pose: PoseSequence | None = None,
    *,
    fps: float = 20.0,
    options: ClipOptions | None = None,
    split: str = "",
) -> None:
    """Put a video into a project with the poses that an extraction would give it: one row for every
    frame that the options leave. pose: whose joints they are, in order."""
    path = project.root / "films" / f"{name}.mp4"
    path.parent.mkdir(exist_ok=True)
    write_video(path, list(images), fps)
    chosen = options or ClipOptions()
    shown = list(read_frames(path, chosen))
    body = pose or sequence(np.linspace(0, 1, len(shown)))
    found = PoseSequence(
        xy=body.xy[: len(shown)],
        score=body.score[: len(shown)],
        box=body.box[: len(shown)],
        frame=np.array([frame.source for frame in shown]),
        time=np.array([frame.time for frame in shown]),
        fps=fps,
        size=(WIDTH, HEIGHT),
        skeleton=body.skeleton,
    )
    digest = file_digest(path)
    project.write_pose(name, found, Recipe("import", 1, {"format": "test"}, {"video": digest}))
    row = Video(
        name, f"films/{name}.mp4", digest, len(found), fps, WIDTH, HEIGHT, split,
        options=chosen.to_text(),
    )  # fmt: skip
    project.add_videos([row])


def filmed(root: Path, count: int = 8, length: int = 24, *, splits: bool = False) -> StoredProject:
    """A project of films of one movement, each at a speed of its own; joints and pictures agree."""
    project = StoredProject.create(root)
    for n in range(count):
        phase = warped_phase(length + n, n)
        split = ("test" if n % 2 else "train") if splits else ""
        film(project, f"clip{n}", stripes(phase), sequence(phase), split=split)
    return project
