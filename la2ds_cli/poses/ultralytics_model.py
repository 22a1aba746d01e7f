"""YOLO networks of the package ultralytics: found by name or file, built, and run on pictures.

The package is AGPL-3.0 software. It is imported only where a user names one of its networks, and
kept from the internet, from installing packages, and from writing outside of our cache folder.
"""

from __future__ import annotations

import copy
import importlib
import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from la2ds_cli import artifact
from la2ds_cli.device import DeviceName, resolve_device
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.optional_package import optional_import
from la2ds_cli.poses.instances import Instances
from la2ds_cli.poses.ultralytics_checkpoint import Checkpoint, read_checkpoint
from la2ds_cli.poses.weights import fetch_weights, weights_identity
from la2ds_cli.types import FloatArray

NAME = "ultralytics"
TRACKERS = ("bytetrack", "botsort")
NOTICE = (
    "ultralytics and its networks are AGPL-3.0 software: who passes on or hosts a program that "
    "uses them must publish its source on the same terms, or buy a licence from Ultralytics"
)
INSTALL = "pip install 'la2ds[ultralytics]'"
LEAST_SCORE = 0.05  # boxes scored below this are not returned
_STRIDE = 32  # pixels: sides of the input are multiples of it
_OVERLAP = 0.7  # IoU above which the lower of two boxes is dropped, Ultralytics' own default
_BATCH = 16


@dataclass(frozen=True)
class Setting:
    """A user's setting taken apart: a model file or a name of the zoo, and a tracker or none."""

    model: str
    tracker: str = ""

    @property
    def is_file(self) -> bool:
        return self.model.lower().endswith(".pt")


def parse_setting(setting: str, default: str) -> Setting:
    """`FILE.pt`, `ultralytics`, `ultralytics:MODEL` or `ultralytics:MODEL,TRACKER`.

    default: the name that `ultralytics` alone stands for. UserError (exit 2): unknown tracker.
    """
    name, colon, rest = setting.partition(":")
    if name != NAME:
        return Setting(setting)
    if not colon or not rest:
        return Setting(default)
    model, comma, tracker = rest.rpartition(",")
    if not comma or rest.lower().endswith(".pt"):
        return Setting(rest)
    if tracker not in TRACKERS:
        raise UserError(f"unknown tracker '{tracker}'", hint=f"known: {', '.join(TRACKERS)}")
    return Setting(model or default, tracker)


def model_identity(setting: Setting) -> str:
    """`ultralytics:` and the digest of the file, or the name and digest of a zoo entry."""
    if setting.is_file:
        return f"{NAME}:{artifact.file_digest(_existing(setting.model))}"
    return f"{NAME}:{weights_identity(_in_zoo(setting.model))}"


def model_path(setting: Setting) -> Path:
    """The checkpoint file; UserError: missing (exit 3), unknown name (exit 2), offline (exit 6)."""
    if setting.is_file:
        return _existing(setting.model)
    return fetch_weights(_in_zoo(setting.model))


def zoo_names() -> list[str]:
    """Names of the YOLO networks whose weights la2ds can fetch."""
    from la2ds_models.weight_files import zoo

    return sorted(name for name, entry in zoo().items() if entry.code.startswith(NAME))


def _in_zoo(name: str) -> str:
    if name not in zoo_names():
        raise UserError(
            f"unknown YOLO network '{name}'",
            hint=f"known: {', '.join(zoo_names())}; or a file of your own, {NAME}:FILE.pt",
        )
    return name


def _existing(name: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise UserError(
            f"no such model file: {name}",
            hint="check the spelling of the path",
            exit_code=ExitCode.UNREADABLE,
        )
    return path


def import_part(part: str) -> Any:
    """A module of the package, e.g. `nn.tasks`; UserError (exit 6) where it cannot be imported."""
    from la2ds_models.weight_files import weights_dir

    folder = weights_dir().parent / NAME
    os.environ["YOLO_CONFIG_DIR"] = str(folder)  # its settings file
    os.environ["YOLO_OFFLINE"] = "true"
    os.environ["YOLO_AUTOINSTALL"] = "false"
    os.environ["YOLO_VERBOSE"] = "false"
    os.environ["ULTRALYTICS_SAFE_LOAD"] = "true"  # build layers without eval
    missing = "the package {package} is not installed"
    with optional_import([NAME, "lap"], missing, f"{INSTALL}; {NOTICE}", repair=INSTALL):
        return _untouched(f"{NAME}.{part}")


def _untouched(module: str) -> Any:
    """Import a module, undoing what the package changes for everybody in the process."""
    import cv2

    threads, options = cv2.getNumThreads(), np.get_printoptions()
    try:
        with warnings.catch_warnings():
            importlib.import_module(NAME)  # where it is missing, the error names the package
            return importlib.import_module(module)
    finally:
        cv2.setNumThreads(threads)
        np.set_printoptions(**options)


@dataclass(frozen=True)
class YoloModel:
    """A network for pictures of any size.

    networks: copies that share their weights. person: number of the class. image_size: longer side
    that pictures should have. joints: (K, 2 or 3) or None. batch_size: pictures per pass.
    """

    networks: Instances[Any]
    person: int
    image_size: int
    joints: tuple[int, int] | None
    device: str
    batch_size: int

    def find(
        self, pictures: Sequence[FloatArray], least_score: float = LEAST_SCORE
    ) -> list[FloatArray]:
        """People in pictures of one size (H, W, 3) uint8 RGB, H and W multiples of 32.

        Returns for each the rows (n, 5 + joints) float32: x1 y1 x2 y2 in pixels, score, and the
        joints' x, y (and score) one after the other.
        """
        found = []
        for start in range(0, len(pictures), self.batch_size):
            part = list(pictures[start : start + self.batch_size])
            # Last bits depend on the size of the batch: a full one gives the same every time.
            padded = part + part[-1:] * (self.batch_size - len(part))
            found += self._find(np.stack(padded), least_score)[: len(part)]
        return found

    def _find(self, batch: FloatArray, least_score: float) -> list[FloatArray]:
        import torch

        suppress = import_part("utils.nms").non_max_suppression
        try:
            with torch.inference_mode(), self.networks.borrow() as network:
                feed = torch.from_numpy(batch).to(self.device).permute(0, 3, 1, 2).float() / 255
                rows = suppress(
                    network(feed),
                    conf_thres=least_score,
                    iou_thres=_OVERLAP,
                    classes=[self.person],
                    nc=network.yaml["nc"],
                    max_time_img=1e9,  # by default boxes are lost where the machine is slow
                    end2end=network.end2end,
                )
        except torch.OutOfMemoryError as error:
            raise UserError(
                f"the GPU has too little free memory for {len(batch)} pictures",
                hint="set batch_size = 1 under [poses] in project.toml, or use --device cpu",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error
        return [
            np.delete(row.float().cpu().numpy(), 5, axis=1) for row in rows
        ]  # column 5 is the class


def load_model(setting: Setting, device: DeviceName, batch_size: int) -> YoloModel:
    """The network of a setting on a device.

    Raises UserError: unknown name (exit 2), missing file (exit 3), a file that is refused or holds
    something else (exit 5), missing package, weights or device (exit 6).
    """
    tasks = import_part("nn.tasks")
    where = resolve_device(device)
    path = model_path(setting)
    checkpoint = read_checkpoint(path)
    people = [number for number, name in checkpoint.classes.items() if name == "person"]
    if len(people) != 1:
        known = ", ".join(list(checkpoint.classes.values())[:5]) or "nothing"
        raise UserError(
            f"{path} finds no people: its classes are {known}",
            hint="take a network with the class person",
            exit_code=ExitCode.MISMATCH,
        )
    network = build_network(tasks, checkpoint, path).to(where)
    return YoloModel(
        networks=Instances(lambda: _share(network)),
        person=people[0],
        image_size=-(-checkpoint.image_size // _STRIDE) * _STRIDE,
        joints=checkpoint.joints,
        device=where.type,
        batch_size=(batch_size or _BATCH) if where.type == "cuda" else 1,  # CPUs gain nothing
    )


def build_network(tasks: Any, checkpoint: Checkpoint, path: Path) -> Any:
    """The network of a checkpoint, ready to run; UserError (exit 5) where its weights do not fit.

    tasks: the module ultralytics.nn.tasks.
    """
    import torch

    kind = tasks.PoseModel if checkpoint.joints else tasks.DetectionModel
    try:
        with torch.random.fork_rng(devices=[]):
            network = kind(cfg=copy.deepcopy(checkpoint.layers), ch=3, verbose=False)
        network.load_state_dict(checkpoint.tensor)
    except (RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise UserError(
            f"{path} does not fit the installed ultralytics: {str(error).splitlines()[0][:120]}",
            hint=f"{INSTALL} gives the version that la2ds is tested with",
            exit_code=ExitCode.MISMATCH,
        ) from error
    return network.fuse(verbose=False).eval().requires_grad_(False)


def _share(network: Any) -> Any:
    """A copy for one thread: its head remembers the size of the last picture."""
    tensors = [*network.parameters(), *network.buffers()]
    return copy.deepcopy(network, {id(tensor): tensor for tensor in tensors})
