"""The options of an alignment, and the choice of features for clips of a project."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

from la2ds_cli.alignment.clip_features import FeatureKind
from la2ds_cli.alignment.run_verdict import read_verdict
from la2ds_cli.core.config import Config
from la2ds_cli.core.config_sections import AlignConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unusable, check_choice
from la2ds_cli.core.plugins import trust
from la2ds_cli.core.stored_project import BASE_RUN, DEFAULT_RUN, StoredProject
from la2ds_cli.core.view import ViewName
from la2ds_cli.features.body_joints import is_body
from la2ds_cli.network.run_weights import has_model, run_header

FeatureOption = Literal["auto", "model", "base", "pose"]
ON_BASE = "aligned on the base model"


def features_name(features: str, run: str) -> str:
    """Return the name of features (a FeatureKind) for people; `run` is the run of a model."""
    return {"model": f"model of run {run}", "base": "base model"}.get(features, "raw poses")


@dataclass(frozen=True)
class AlignRequest:
    """How clips are aligned: the options of `la2ds align`, for any number of pairs.

    features: see choose_features. method: overrides config.align's. device: where the networks
    compute. anchors: seconds of A and of B that must match. view: in which B is compared, `auto` =
    the nearest. same_only: reject clips that clearly show different movements.
    """

    config: Config
    run: str = DEFAULT_RUN
    features: FeatureOption = "auto"
    method: str | None = None
    device: DeviceName = "auto"
    anchors: tuple[tuple[float, float], ...] = ()
    view: ViewName = "auto"
    same_only: bool = False

    def __post_init__(self) -> None:
        trust(self.method)
        for option, value, choices in (
            ("features", self.features, FeatureOption),
            ("device", self.device, DeviceName),
            ("view", self.view, ViewName),
        ):
            check_choice(option, value, get_args(choices))

    @property
    def settings(self) -> AlignConfig:
        """The settings of the alignment, with the requested method."""
        own = self.config.align
        return replace(own, method=self.method or own.method)


@dataclass(frozen=True)
class FeatureChoice:
    """The kind of per-frame features used to compare clips.

    reason: sentence on why a run or the base model is not used; empty if the user requested the
    features, or if they replace no others. reads: the skeleton of a run that is used by default.
    requested: whether the user named the base model.
    """

    kind: FeatureKind
    reason: str = ""
    reads: str = ""
    requested: bool = False

    def on(self, skeleton: str, *, spatial: bool) -> FeatureChoice:
        """Return the choice for clips of this skeleton, compared in 3D if `spatial`.

        The base model replaces a default run that cannot read the joints, and raw poses replace the
        base model if it cannot, unless it was requested.
        """
        if self.reads not in ("", skeleton):
            reason = f"the run reads the joints of {self.reads}, not of {skeleton}: {ON_BASE}"
            return FeatureChoice("base", reason).on(skeleton, spatial=spatial)
        if self.kind != "base" or self.requested or (is_body(skeleton) and not spatial):
            return self
        joints = "joints in 3D" if spatial else f"the joints of {skeleton}"
        raw = f"aligned on raw poses, since the base model does not read {joints}"
        return FeatureChoice("pose", self.reason.replace(ON_BASE, raw) or raw)

    def run(self, run: str) -> str:
        """Return the run whose embeddings are used: `run`, or BASE_RUN for the base model."""
        return BASE_RUN if self.kind == "base" else run


def choose_features(
    project: StoredProject | None, run: str, wanted: FeatureOption
) -> FeatureChoice:
    """Return the features to use, before it is known whether they can read the clips' joints
    (FeatureChoice.on).

    Parameters
    ----------
    project: of the clips; None = clips in memory, without runs.
    run: the run that `model` and `auto` mean.
    wanted: `auto` uses a run that was named, or the default run if its verdict is better than the
        base model, and otherwise the base model.

    Raises
    ------
    UserError: exit 4 for a missing model that was requested, and for a named run that does not
        exist.
    """
    if wanted in ("pose", "base"):
        return FeatureChoice(wanted, requested=wanted == "base")
    if project is not None and has_model(project, run):
        if wanted == "model" or run != DEFAULT_RUN:
            return FeatureChoice("model")
        verdict = read_verdict(project, run)
        if verdict is None:
            return FeatureChoice(
                "base", f"run {run} was not compared with the base model (la2ds train): {ON_BASE}"
            )
        if verdict.outcome == "better":
            return FeatureChoice("model", reads=run_header(project, run).skeleton)
        return FeatureChoice(
            "base", f"run {run} is {verdict.words}: {ON_BASE}; --features model uses the run"
        )
    if wanted == "model" or run != DEFAULT_RUN:
        raise Unusable(
            f"run '{run}' has no trained model",
            hint=f"la2ds train --run {run} trains it; --features base needs no training",
        )
    return FeatureChoice("base")


def wants_3d(project: StoredProject | None, request: AlignRequest, kind: FeatureKind) -> bool:
    """Return whether to compare clips by their joints in metres, provided all have them.

    Parameters
    ----------
    project: of the run; None = clips in memory.
    request: with the setting `align.joints`.
    kind: of the features.
    """
    wanted = request.settings.joints
    if wanted == "auto" and kind == "model" and project is not None:
        return run_header(project, request.run).input == "joints3d"
    return wanted == "3d"
