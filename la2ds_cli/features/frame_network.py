"""The network that reads video frames (la2ds_models.resnet) with its weights, and what it makes of
the frames of a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.device import DeviceName, free_cores, resolve_device
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.types import FloatArray, IntArray
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.video.read_ahead import read_ahead
from la2ds_cli.video.reader import Frame
from la2ds_cli.video.video_file import VideoFile

if TYPE_CHECKING:
    from la2ds_models.resnet import Conv4c

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
    if target.type == "cpu":  # see embedding.torch_embedder
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
