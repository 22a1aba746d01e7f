"""Configurations and checkpoints of OpenMMLab (MMPose, MMDetection), named by the user as
`mmpose:CONFIG,CHECKPOINT`, and replacements for compiled parts that have no wheels.

CONFIG is a .py file, or the name of a file inside the package, without its folder and `.py`. A
configuration is a Python program, as trusted as any other that the user runs; a checkpoint is data,
and nothing in it is executed.
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
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.machinery import ModuleSpec
from pathlib import Path
from pickle import UnpicklingError
from threading import RLock
from types import ModuleType
from typing import Any, Literal

from la2ds_cli.core import artifact
from la2ds_cli.core.errors import ExitCode, UserError, first_line, optional_import
from la2ds_cli.core.plugins import check_trusted
from la2ds_cli.poses.weights import existing_file

Package = Literal["mmpose", "mmdet"]

# MMPose declares a need of xtcocotools, which has no wheel for Python 3.12 and later and does not
# build by itself; the stand-in below does what la2ds needs of it.
INSTALL = "pip install 'la2ds[mmpose]'"
if sys.version_info >= (3, 12):
    INSTALL += " && pip install --no-deps mmpose==1.3.2"
_PACKAGES = ("mmengine", "mmcv", "mmdet", "mmpose")  # mmpose imports all of them
_DISTRIBUTIONS = ("mmengine", "mmcv", "mmcv-lite", "mmdet", "mmpose")
_OPTION = {"mmpose": "--pose", "mmdet": "--detector"}
_PRETRAINING = ("init_cfg", "pretrained")  # may name downloads
_BUILD = RLock()  # the registries of MMEngine look into a scope that is global


@dataclass(frozen=True)
class Source:
    """A model: its configuration file, and its checkpoint."""

    package: Package
    config: Path
    checkpoint: Path

    def read_config(self, *, imports: bool = True) -> Any:
        """The configuration as MMEngine's Config, including its base files.

        imports: also import the modules that it requires, as needed to build the network. Raises
        UserError: exit 3 for a file that is not a configuration, exit 6 for a missing module.
        """
        with optional_import(["mmengine"], "the package {package} is not installed", INSTALL):
            from mmengine import Config
        try:
            return Config.fromfile(self.config, import_custom_modules=imports)
        except (SyntaxError, FileNotFoundError) as error:
            raise UserError(
                f"{self.config} is not an {self.package} configuration: {error}",
                hint="it is a Python file; `_base_` names others relative to it",
                exit_code=ExitCode.UNREADABLE,
            ) from error
        except ImportError as error:
            raise UserError(
                f"{self.config} cannot be used: {error}",
                hint="install the modules that its `custom_imports` name",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error

    def identity(self) -> str:
        """Digest of what the configuration says, the weights, and the versions that run them."""
        content = json.dumps(self.read_config(imports=False).to_dict(), sort_keys=True, default=str)
        config = hashlib.sha256(content.encode()).hexdigest()[:16]
        weights = artifact.file_digest(self.checkpoint)[:16]
        return f"{self.package}:{config}:{weights}:{_versions()}"


def find_source(setting: str, package: Package) -> Source:
    """The model named by a setting; loads no network and imports none of the packages.

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
        raise UserError(
            f"{setting} names no checkpoint",
            hint=f"add the file with the weights: {_OPTION[package]} {package}:{config},FILE.pth",
            exit_code=ExitCode.ENVIRONMENT,
        )
    return Source(package, path, existing_file(checkpoint, "checkpoint"))


def _require_packages(package: Package) -> None:
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"{package} needs packages that are not installed: {', '.join(missing)}",
            hint=INSTALL,
            exit_code=ExitCode.ENVIRONMENT,
        )


def _config_path(config: str, package: Package) -> Path:
    """The file of a configuration."""
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

    Warnings of these packages, then and later, concern their authors and are not shown. Raises
    UserError (exit 6) if the installed packages are incompatible.
    """
    with _BUILD:
        warnings.filterwarnings("ignore", module=r"(mmcv|mmdet|mmengine|mmpose|xtcocotools)(\.|$)")
        warnings.filterwarnings("ignore", message=r"torch\.meshgrid")
        install_stand_ins()
        try:
            importlib.import_module("mmdet.models")
            importlib.import_module("mmpose.models")
            importlib.import_module("mmpose.datasets")
        except (ImportError, AssertionError, AttributeError, ValueError) as error:
            raise UserError(
                f"the installed {package} cannot be used: {first_line(error)}",
                hint=f"{INSTALL} installs compatible versions",
                exit_code=ExitCode.ENVIRONMENT,
            ) from error
        from mmengine.registry import DefaultScope

        with DefaultScope.overwrite_default_scope(package):
            yield


def model_settings(settings: Any) -> Any:
    """The model part of a configuration, without the weights that its training started from, and
    with RoIAlign (He et al., "Mask R-CNN", ICCV 2017) by torchvision instead of compiled MMCV."""
    if isinstance(settings, dict):
        for key, value in settings.items():
            settings[key] = None if key in _PRETRAINING else model_settings(value)
        if settings.get("type") == "RoIAlign" and settings.get("pool_mode", "avg") == "avg":
            settings["use_torchvision"] = True
    elif isinstance(settings, list):
        settings[:] = [model_settings(value) for value in settings]
    return settings


def load_weights(network: Any, source: Source) -> Mapping[str, Any]:
    """Load the checkpoint into a network; returns its `meta`.

    Raises UserError: exit 5 for weights of another network, exit 6 for a file that holds more
    than data.
    """
    from la2ds_models.pose import read_checkpoint

    path = source.checkpoint
    try:
        tensors, meta = read_checkpoint(path)
    except (ValueError, UnpicklingError) as error:
        raise UserError(
            f"{path} is not a checkpoint that holds only weights: {first_line(error)}",
            hint="a checkpoint from your own training also holds program state; "
            f"tools/misc/publish_model.py of {source.package} keeps only the weights",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error
    state = {name.removeprefix("module."): value for name, value in tensors.items()}
    try:
        missing, unknown = network.load_state_dict(state, strict=False)
    except RuntimeError as error:  # shapes
        what = str(error).partition("\n")[2] or str(error)  # below a heading
        raise _other_network(path, source, first_line(RuntimeError(what))) from error
    if missing:
        raise _other_network(path, source, f"{len(missing)} missing, first {missing[0]}")
    if unknown:
        warnings.warn(
            f"{path.name} holds {len(unknown)} tensors that {source.config.name} does not use, "
            f"first {unknown[0]}",
            stacklevel=2,
        )
    return meta


def _other_network(path: Path, source: Source, what: str) -> UserError:
    return UserError(
        f"{path} does not hold the weights of {source.config.name}: {what}",
        hint="name the configuration that the checkpoint was trained with",
        exit_code=ExitCode.MISMATCH,
    )


# A stand-in for `mmcv._ext`, the compiled operators of MMCV, which have no wheel for current torch.
# MMPose and MMDetection import them by name whether a model uses them or not. Box detectors need
# one of them, which torchvision has as well: non-maximum suppression. And one for xtcocotools, a
# reader of COCO's annotations, which MMPose's data sets and metrics import by name; importing them
# is how its pipelines come into its registry.
_OPERATORS = "mmcv._ext"
_COCO = ("xtcocotools", "xtcocotools.coco", "xtcocotools.cocoeval", "xtcocotools.mask")


def install_stand_ins() -> None:
    """Make MMPose and MMDetection importable without their compiled parts, where these are missing;
    called before they are imported."""
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
    """A module in which every name that it lacks is a function that raises UserError (exit 6).

    what: the message, with {} for the name.
    """

    def __init__(self, name: str, what: str, hint: str) -> None:
        super().__init__(name)
        # MMEngine looks modules up through the import system, which wants a spec.
        self.__spec__ = ModuleSpec(name, loader=None)
        self._said = what, hint

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        what, hint = self._said

        def missing(*_: Any, **__: Any) -> Any:
            raise UserError(what.format(name), hint=hint, exit_code=ExitCode.ENVIRONMENT)

        return missing


def operators() -> ModuleType:
    """Non-maximum suppression by torchvision; the other operators say that they are missing."""
    module = _StandIn(
        _OPERATORS,
        "this model needs the operator {} of the compiled MMCV, which is missing",
        "build it: pip install --no-build-isolation mmcv==2.1.0, with a C++ compiler; or choose a "
        "model without it",
    )
    vars(module).update(nms=_nms)
    return module


def _nms(boxes: Any, scores: Any, iou_threshold: float = 0.5, offset: int = 0) -> Any:
    """Indices of the boxes (n, 4) xyxy to keep, best score (n,) first.

    offset: added to the sides before areas are computed; 1 counts pixels including corners.
    """
    import torch
    import torchvision

    corners = torch.cat([boxes[:, :2], boxes[:, 2:] + offset], dim=1)
    return torchvision.ops.nms(corners.float(), scores.float(), float(iou_threshold))
