"""Top-down networks of MMPose and box detectors of MMDetection (Apache-2.0), as
`--pose mmpose:CONFIG,CHECKPOINT` and `--detector mmdet:CONFIG,CHECKPOINT`; and replacements for
compiled parts of these packages that have no wheels.

CONFIG is a .py file, or the name of a file inside the package, without its folder and `.py`. A
configuration is a Python program, as trusted as any other that the user runs; a checkpoint is data,
and nothing in it is executed.

The packages crop or scale, run the network and decode, as configured, but without a flip test. The
joints are matched to a skeleton by their names; a detector must have the class `person`.
"""

# pyright: reportMissingImports=false
# (the packages are optional)

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import ModuleSpec
from pathlib import Path
from pickle import UnpicklingError
from threading import Lock, RLock
from types import ModuleType
from typing import Any, Literal

import numpy as np

from la2ds_cli.core import artifact
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName, resolve_device
from la2ds_cli.core.errors import (
    Mismatch,
    Unavailable,
    Unreadable,
    UserError,
    first_line,
    optional_import,
)
from la2ds_cli.core.plugins import check_trusted
from la2ds_cli.core.skeleton import SKELETONS
from la2ds_cli.core.types import FloatArray
from la2ds_cli.poses.networks import Joints, PoseBackend, gpu_memory, in_batches, no_joints
from la2ds_cli.poses.weights import existing_file
from la2ds_cli.video.reader import Image
from la2ds_models.startup import is_own_process

POSES = ("mmpose",)
DETECTORS = ("mmdet",)

Package = Literal["mmpose", "mmdet"]

# MMPose requires xtcocotools, which has no wheel for Python 3.12 and later and does not build by
# itself; the stand-in below replaces the part that la2ds needs.
INSTALL = "pip install 'la2ds[mmpose]'"
if sys.version_info >= (3, 12):
    INSTALL += " && pip install --no-deps mmpose==1.3.2"
_PACKAGES = ("mmengine", "mmcv", "mmdet", "mmpose")  # mmpose imports all of them
_DISTRIBUTIONS = ("mmengine", "mmcv", "mmcv-lite", "mmdet", "mmpose")
_OPTION = {"mmpose": "la2ds extract-poses --pose", "mmdet": "la2ds extract-poses --detector"}
_PRETRAINING = ("init_cfg", "pretrained")  # may name downloads
_BUILD = RLock()  # MMEngine's registries use a global scope

# MMPose's names of joints that differ from those of la2ds (Halpe, and the fingers of hand sets).
_RENAMED = {
    "hip": "mid_hip",
    "forefinger": "index",
    "middle_finger": "middle",
    "ring_finger": "ring",
    "pinky_finger": "little",
}


def pose_identity(name: str) -> str:
    """Return the digests of configuration and checkpoint, and the versions of the packages."""
    return find_source(name, "mmpose").identity()


def detector_identity(name: str) -> str:
    """Return the identity of a detector, as `pose_identity`."""
    return find_source(name, "mmdet").identity()


def build_pose(name: str, device: DeviceName, config: PosesConfig) -> MmposeBackend:
    """Build the pose network of a configuration, with its weights.

    Raises UserError as `find_source`, and exit 5 for a network that is not top-down, or whose
    joints fit no skeleton.
    """
    source, where = find_source(name, "mmpose"), resolve_device(device)
    with building("mmpose"):
        from mmengine.dataset import Compose
        from mmengine.model.utils import revert_sync_batchnorm
        from mmpose.models.builder import build_pose_estimator
        from mmpose.models.pose_estimators import TopdownPoseEstimator

        settings = source.read_config()
        model = model_settings(settings.model)
        model.train_cfg = None
        network = revert_sync_batchnorm(build_pose_estimator(model))
        if not isinstance(network, TopdownPoseEstimator):
            raise Mismatch(
                f"{source.config.name} is a {type(network).__name__}, but la2ds needs a top-down "
                "network, which takes one person at a time",
                hint="choose a configuration below topdown_heatmap, simcc or rtmpose",
            )
        facts = load_weights(network, source).get("dataset_meta") or _dataset_facts(settings)
        network.test_cfg = {**(network.test_cfg or {}), "flip_test": False}
        pipeline = Compose(settings.test_dataloader.dataset.pipeline)
    names = [facts["keypoint_id2name"][k] for k in range(facts["num_keypoints"])]
    joints = match_skeleton(names, source.config.name)
    network = network.eval().to(where)
    return MmposeBackend(network, pipeline, facts, joints, where.type, config.batch_size)


def _dataset_facts(settings: Any) -> Mapping[str, Any]:
    """Return the names and pairs of the joints, from the training data set of the configuration."""
    from mmpose.apis.inference import dataset_meta_from_config

    for part in ("train", "val", "test"):
        facts = dataset_meta_from_config(settings, part)
        if facts is not None:
            return facts
    raise Mismatch(
        f"neither the checkpoint nor {settings.filename} names the joints",
        hint="add a data set with its `metainfo` to the configuration",
    )


def match_skeleton(names: Sequence[str], what: str) -> tuple[str, list[int]]:
    """Return the skeleton with the most joints, all among `names`, and the position of each.

    Raises UserError (exit 5) if there is none. what: the network, for the message.
    """
    renamed = [_our_name(name) for name in names]
    fitting = [s for s in SKELETONS.values() if set(s.joints) <= set(renamed)]
    if not fitting:
        raise Mismatch(
            f"the joints of {what} fit no skeleton that la2ds knows: {', '.join(names)}",
            hint=f"skeletons: {', '.join(sorted(SKELETONS))}",
        )
    best = max(fitting, key=lambda skeleton: len(skeleton.joints))
    return best.name, [renamed.index(joint) for joint in best.joints]


def _our_name(name: str) -> str:
    stem = name.rstrip("0123456789")
    return _RENAMED.get(stem, stem) + name[len(stem) :]


class MmposeBackend:
    """Estimates joints by MMPose's own pipeline.

    facts: MMPose's `dataset_meta`. joints: the skeleton, and the index of each of its joints among
    the network's.
    """

    def __init__(
        self,
        network: Any,
        pipeline: Any,
        facts: Mapping[str, Any],
        joints: tuple[str, list[int]],
        device: str,
        batch_size: int,
    ) -> None:
        self.network, self.pipeline, self.facts = network, pipeline, facts
        self.skeleton, self.order = joints
        self.device, self.batch_size = device, batch_size
        self._lock = Lock()

    def estimate(self, images: Sequence[Image], boxes: FloatArray) -> Joints:
        """Estimate as PoseBackend.estimate."""
        xy, score, world = no_joints(len(boxes), len(self.order))
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            for i, result in enumerate(self._run(images[part], boxes[part]), start):
                people = result.pred_instances
                xy[i] = people.keypoints[0][self.order, :2]
                score[i] = np.clip(people.keypoint_scores[0][self.order], 0, 1)
        return xy, score, world

    def _run(self, images: Sequence[Image], boxes: FloatArray) -> list[Any]:
        import torch
        from mmengine.dataset import pseudo_collate

        data = [
            self.pipeline(
                {
                    "img": np.ascontiguousarray(image[..., ::-1]),  # MMPose reads BGR
                    "bbox": np.asarray(box, np.float32)[None],
                    "bbox_score": np.ones(1, np.float32),
                    **self.facts,
                }
            )
            for image, box in zip(images, boxes, strict=True)
        ]
        with gpu_memory(len(data)), self._lock, torch.inference_mode():
            return self.network.test_step(pseudo_collate(data))


# --- detectors of MMDetection ---------------------------------------------------------------------


def build_detector(
    name: str, device: DeviceName, config: PosesConfig, pose: PoseBackend
) -> MmdetDetector:
    """Build the detector of a configuration, with its weights.

    Raises UserError as `find_source`, and exit 5 for a network without a class `person`.
    """
    source, where = find_source(name, "mmdet"), resolve_device(device)
    with building("mmdet"):
        from mmdet.registry import MODELS
        from mmdet.utils import get_test_pipeline_cfg
        from mmengine.dataset import Compose
        from mmengine.model.utils import revert_sync_batchnorm

        settings = source.read_config()
        network = revert_sync_batchnorm(MODELS.build(model_settings(settings.model)))
        classes = _classes(load_weights(network, source), settings)
        steps = get_test_pipeline_cfg(settings)
        steps[0].type = "mmdet.LoadImageFromNDArray"
        pipeline = Compose(steps)
    if "person" not in classes:
        raise Mismatch(
            f"{source.config.name} does not detect people; its classes are "
            f"{', '.join(classes[:5])}",
            hint="choose a detector trained on COCO or another data set with the class person",
        )
    return MmdetDetector(network.eval().to(where), pipeline, classes.index("person"), where)


def _classes(meta: Mapping[str, Any], settings: Any) -> list[str]:
    """Return the names of the classes, from the checkpoint or the configuration's data set."""
    from mmdet.registry import DATASETS

    facts = {key.lower(): value for key, value in meta.get("dataset_meta", meta).items()}
    if "classes" not in facts:
        dataset = settings.test_dataloader.dataset
        kind = dataset.type if isinstance(dataset.type, type) else DATASETS.get(dataset.type)
        facts = {**getattr(kind, "METAINFO", {}), **dataset.get("metainfo", {})}
    classes = facts.get("classes", ())
    return [classes] if isinstance(classes, str) else list(classes)


class MmdetDetector:
    """Runs on one image per pass on a CPU; on CUDA on the images of a call together."""

    def __init__(self, network: Any, pipeline: Any, person: int, device: Any) -> None:
        self.network, self.pipeline = network, pipeline
        self.person, self.device = person, device
        self._lock = Lock()

    def detect(self, images: Sequence[Image]) -> list[FloatArray]:
        """Detect as Detector.detect."""
        return in_batches(images, self._detect, self.device.type)

    def _detect(self, images: Sequence[Image]) -> list[FloatArray]:
        import torch
        from mmengine.dataset import pseudo_collate

        data = [
            self.pipeline({"img": np.ascontiguousarray(image[..., ::-1]), "img_id": 0})  # BGR
            for image in images
        ]
        with self._lock, torch.no_grad():
            results = self.network.test_step(pseudo_collate(data))
        boxes = []
        for result in results:
            people = result.pred_instances
            person = people.labels == self.person
            person &= people.bboxes.isfinite().all(dim=1)  # some heads overflow in exp
            parts = [people.bboxes[person], people.scores[person, None]]
            boxes.append(torch.cat(parts, dim=1).cpu().numpy().astype(np.float32))
        return boxes


# --- configurations and checkpoints ---------------------------------------------------------------


@dataclass(frozen=True)
class Source:
    """A model: its configuration file, and its checkpoint."""

    package: Package
    config: Path
    checkpoint: Path

    def read_config(self, *, imports: bool = True) -> Any:
        """Return the configuration as MMEngine's Config, including its base files.

        imports: also import the modules that it requires, as needed to build the network. Raises
        UserError: exit 3 for a file that is not a configuration, exit 6 for a missing module.
        """
        with optional_import(["mmengine"], "the package {package} is not installed", INSTALL):
            from mmengine import Config
        try:
            return Config.fromfile(self.config, import_custom_modules=imports)
        except (SyntaxError, FileNotFoundError) as error:
            raise Unreadable(
                f"{self.config} is not an {self.package} configuration: {error}",
                hint="it is a Python file; `_base_` names others relative to it",
            ) from error
        except ImportError as error:
            raise Unavailable(
                f"{self.config} cannot be used: {error}",
                hint="install the modules that its `custom_imports` name",
            ) from error

    def identity(self) -> str:
        """Return the digests of configuration and weights, and the versions that run them."""
        content = json.dumps(self.read_config(imports=False).to_dict(), sort_keys=True, default=str)
        config = hashlib.sha256(content.encode()).hexdigest()[:16]
        weights = artifact.file_digest(self.checkpoint)[:16]
        return f"{self.package}:{config}:{weights}:{_versions()}"


def find_source(setting: str, package: Package) -> Source:
    """Return the model named by a setting; load no network and import none of the packages.

    Raises UserError: no or an unknown configuration (exit 2), a missing file (exit 3), a missing
    package or no checkpoint (exit 6).
    """
    config, _, checkpoint = setting.partition(":")[2].partition(",")
    usage = f"{_OPTION[package]} {package}:CONFIG,CHECKPOINT"
    if not config:
        raise UserError(
            f"{package} needs a configuration",
            hint=f"{usage}; CONFIG is a .py file or the name of one inside {package}",
        )
    _require_packages(package)
    path = _config_path(config, package)
    if not checkpoint:
        raise Unavailable(
            f"{setting} names no checkpoint",
            hint=f"add the file with the weights: {_OPTION[package]} {package}:{config},FILE.pth",
        )
    return Source(package, path, existing_file(checkpoint, "checkpoint"))


def _require_packages(package: Package) -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise Unavailable(
            f"{package} needs packages that are not installed: {', '.join(missing)}", hint=INSTALL
        )


def _config_path(config: str, package: Package) -> Path:
    """Return the file of a configuration."""
    if config.endswith(".py"):
        check_trusted(os.path.abspath(config), "configuration")  # noqa: PTH100 (as `trust`)
        return existing_file(config, "configuration")
    spec = importlib.util.find_spec(package)
    folders = spec.submodule_search_locations if spec else None
    assert folders, "_require_packages has found the package"
    shipped = {
        path.stem: path
        for path in (Path(folders[0]) / ".mim" / "configs").rglob("*.py")
        if "_base_" not in path.parts
    }
    if config in shipped:
        return shipped[config]
    near = get_close_matches(config, shipped, n=3) or [name for name in shipped if config in name]
    raise UserError(
        f"{package} has no configuration called '{config}'",
        hint=(f"did you mean {' or '.join(near[:3])}? " if near else "")
        + "your own file must end in .py",
    )


def _versions() -> str:
    versions = []
    for name in _DISTRIBUTIONS:
        try:
            versions.append(f"{name}{importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # mmcv and mmcv-lite hold the same module
    return ",".join(versions)


@contextmanager
def building(package: Package) -> Iterator[None]:
    """Context for importing and building a model: one at a time, in the scope of its package.

    Warnings of these packages concern their authors and are hidden within the block, in a command
    also afterwards. Torch's random state is restored. Raises UserError (exit 6) if the installed
    packages are incompatible.
    """
    import torch

    filters = nullcontext() if is_own_process() else warnings.catch_warnings()
    with _BUILD, filters, torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", module=r"(mmcv|mmdet|mmengine|mmpose|xtcocotools)(\.|$)")
        warnings.filterwarnings("ignore", message=r"torch\.meshgrid")
        install_stand_ins()
        try:
            importlib.import_module("mmdet.models")
            importlib.import_module("mmpose.models")
            importlib.import_module("mmpose.datasets")
        except (ImportError, AssertionError, AttributeError, ValueError) as error:
            raise Unavailable(
                f"the installed {package} cannot be used: {first_line(error)}",
                hint=f"{INSTALL} installs compatible versions",
            ) from error
        from mmengine.registry import DefaultScope

        with DefaultScope.overwrite_default_scope(package):
            yield


def model_settings(settings: Any) -> Any:
    """Change the model part of a configuration, and return it.

    It loses the weights that its training started from, and RoIAlign (He et al., "Mask R-CNN", ICCV
    2017) comes from torchvision instead of compiled MMCV.
    """
    if isinstance(settings, dict):
        for key, value in settings.items():
            settings[key] = None if key in _PRETRAINING else model_settings(value)
        if settings.get("type") == "RoIAlign" and settings.get("pool_mode", "avg") == "avg":
            settings["use_torchvision"] = True
    elif isinstance(settings, list):
        settings[:] = [model_settings(value) for value in settings]
    return settings


def load_weights(network: Any, source: Source) -> Mapping[str, Any]:
    """Load the checkpoint into a network, and return its `meta`.

    Raises UserError: exit 5 for weights of another network, exit 6 for a file that holds more
    than data.
    """
    from la2ds_models.pose import read_checkpoint

    path = source.checkpoint
    try:
        tensors, meta = read_checkpoint(path)
    except (ValueError, UnpicklingError) as error:
        raise Unavailable(
            f"{path} is not a checkpoint that holds only weights: {first_line(error)}",
            hint="a checkpoint from your own training also holds program state; "
            f"tools/misc/publish_model.py of {source.package} keeps only the weights",
        ) from error
    state = {name.removeprefix("module."): value for name, value in tensors.items()}
    try:
        missing, _ = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # shapes
        what = str(error).partition("\n")[2] or str(error)  # below a heading
        raise _other_network(path, source, first_line(RuntimeError(what))) from error
    if missing:
        raise _other_network(path, source, f"{len(missing)} missing, first {missing[0]}")
    return meta


def _other_network(path: Path, source: Source, what: str) -> UserError:
    return Mismatch(
        f"{path} does not hold the weights of {source.config.name}: {what}",
        hint="name the configuration that the checkpoint was trained with",
    )


# Stand-ins for two packages. `mmcv._ext`, the compiled operators of MMCV, has no wheel for current
# torch; MMPose and MMDetection import it whether a model uses it or not. Box detectors need only
# non-maximum suppression, which torchvision has as well. xtcocotools reads annotations of COCO;
# MMPose's data sets and metrics import it, and they must be imported to register its pipelines.
_OPERATORS = "mmcv._ext"
_COCO = ("xtcocotools", "xtcocotools.coco", "xtcocotools.cocoeval", "xtcocotools.mask")


def install_stand_ins() -> None:
    """Make MMPose and MMDetection importable where their compiled parts are missing; call it before
    they are imported."""
    try:
        importlib.import_module(_OPERATORS)
    except ImportError:
        sys.modules[_OPERATORS] = operators()
    try:
        for name in _COCO:
            importlib.import_module(name)
    except (ImportError, ValueError):  # ValueError: built for another numpy
        what = "{} reads a data set in COCO's format, which needs the package xtcocotools"
        hint = "la2ds only estimates joints; evaluate data sets with MMPose on Python 3.11"
        package, *parts = (_StandIn(name, what, hint) for name in _COCO)
        for part in parts:
            setattr(package, part.__name__.rpartition(".")[2], part)
        sys.modules.update({module.__name__: module for module in (package, *parts)})


class _StandIn(ModuleType):
    """A module in which every missing name is a function that raises UserError (exit 6).

    what: message, with {} for the name.
    """

    def __init__(self, name: str, what: str, hint: str) -> None:
        super().__init__(name)
        # MMEngine looks modules up through the import system, which needs a spec.
        self.__spec__ = ModuleSpec(name, loader=None)
        self._message = what, hint

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        what, hint = self._message

        def missing(*_: Any, **__: Any) -> Any:
            raise Unavailable(what.format(name), hint=hint)

        return missing


def operators() -> ModuleType:
    """Return torchvision's non-maximum suppression as a module; other operators raise an error."""
    module = _StandIn(
        _OPERATORS,
        "this model needs the operator {} of the compiled MMCV, which is missing",
        "build it: pip install --no-build-isolation mmcv==2.1.0, with a C++ compiler; or choose a "
        "model without it",
    )
    vars(module).update(nms=_nms)
    return module


def _nms(boxes: Any, scores: Any, iou_threshold: float = 0.5, offset: int = 0) -> Any:
    """Return the indices of the boxes (n, 4) xyxy to keep, best score (n,) first.

    offset: added to the sides before areas are computed; 1 counts pixels including corners.
    """
    import torch
    import torchvision

    corners = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    return torchvision.ops.nms(corners.float(), scores.float(), float(iou_threshold))
