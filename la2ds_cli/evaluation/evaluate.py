"""The step `evaluate`: every feature set through every metric of a protocol."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.config import Config
from la2ds_cli.core.csv_tables import table_text
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import DEFAULT_RUN, Project
from la2ds_cli.embedding.trained import weights_key
from la2ds_cli.evaluation.clips import check_unseen, select_clips
from la2ds_cli.evaluation.event_transfer import compare, draw_trims
from la2ds_cli.evaluation.events import EvaluationClip, choose_events
from la2ds_cli.evaluation.features import (
    FeatureRequest,
    FeatureSet,
    check_names,
    check_runs,
    feature_sets,
)
from la2ds_cli.evaluation.phase_labels import label_clips
from la2ds_cli.evaluation.protocol import get_protocol
from la2ds_cli.evaluation.scoring import MEDIAN, Inputs, Scored, mean_of, score

SCHEMA_VERSION = 1
# Characters of joined names of runs. A file name can have 255 bytes, and an ending follows.
_LONGEST = 150
ByRun = dict[str, dict[str, Scored]]
"""Feature set -> run ("" for a baseline) -> figures."""


@dataclass(frozen=True)
class Evaluated:
    """document: what `evaluate` writes. scored: its figures with their resamples. inputs: shared by
    all of them."""

    document: dict[str, Any]
    scored: ByRun
    inputs: Inputs


@dataclass(frozen=True)
class Request:
    """What is evaluated.

    runs: of the feature set `model`; if there is none, the default run is scored, and if that has
    no model, only the baselines are, with the untrained network of the settings of `config`.
    protocol: a name of la2ds_cli.evaluation.protocol. features: names of
    la2ds_cli.evaluation.features.FEATURE_NAMES, None = all.
    """

    project: Project
    config: Config
    runs: tuple[str, ...] = ()
    protocol: str = "la2ds"
    features: Sequence[str] | None = None
    device: DeviceName = "auto"

    @property
    def name(self) -> str:
        """Stem of the files."""
        return result_name(self.runs or (DEFAULT_RUN,), self.protocol)

    def inputs(self, warnings: list[str]) -> tuple[Inputs, str | None]:
        """The inputs that all feature sets share, and the source of the events."""
        config = self.config
        protocol = get_protocol(self.protocol, config.evaluate)
        selection = select_clips(self.project, config, warnings)
        labelled = label_clips(selection, protocol, config.evaluate.background, warnings)
        clips = [EvaluationClip(video, pose, {}) for video, pose in selection.test.items()]
        source, draws = None, []
        if protocol.event_transfer:
            clips, source, notes = choose_events(selection.test, selection.phases)
            warnings += notes
            draws = draw_trims(clips, config.evaluate)
        labels, fit = labelled or (None, [])
        inputs = Inputs(
            clips=clips,
            draws=draws,
            has_events=source is not None,
            fit=[selection.fit[video] for video in fit],
            # By id, as align chooses among them, so that the order of videos.csv does not matter.
            training=[selection.fit[video] for video in sorted(selection.fit)],
            fit_split=selection.split == "test",
            labels=labels,
            protocol=protocol,
            config=config,
        )
        return inputs, source

    def sets(self, inputs: Inputs, warnings: list[str]) -> list[FeatureSet]:
        """The feature sets in order."""
        request = FeatureRequest(
            self.project,
            self.features,
            self.runs or (DEFAULT_RUN,),
            self.config,
            self.device,
            inputs.clips[0].pose,
            inputs.training,
            optional=not self.runs,
        )
        return feature_sets(request, warnings)


def evaluate(request: Request, *, progress: Progress | None = None) -> Evaluated:
    """`score_request`, written to results/evaluate/NAME.json and, if events were transferred,
    NAME-events.csv."""
    evaluated = score_request(request, progress=progress)
    folder, inputs = request.project.results_dir("evaluate"), evaluated.inputs
    if inputs.protocol.event_transfer:
        text = events_csv(evaluated.scored, inputs.clips)
        artifact.write_text(folder / f"{request.name}-events.csv", text)
    artifact.write_json(folder / f"{request.name}.json", evaluated.document)
    return evaluated


def score_request(request: Request, *, progress: Progress | None = None) -> Evaluated:
    """Score the model, or the mean of several runs, beside baselines.

    Scores the clips of split `test`, or all clips if there is no such split; phase classifiers are
    fitted on the other clips. Raises UserError: exit 4 for fewer than two usable clips, missing
    labels that the protocol needs, or a requested run without a model; 5 for clips of different
    skeletons, one source in both splits, or a run that was trained on test clips; 2 for an unknown
    name.
    """
    progress = progress or Progress()
    check_names(request.features or ())
    runs = check_runs(request.project, request.runs or (DEFAULT_RUN,))
    warnings: list[str] = []
    inputs, source = request.inputs(warnings)
    sets = request.sets(inputs, warnings)
    models = [one.run for one in sets if one.name == "model"]
    if inputs.fit_split:
        check_unseen(request.project, models, warnings)
    scored = _score_all(sets, inputs, progress)
    means = {name: mean_of(by_run) for name, by_run in scored.items()}
    medians = {name: one.measures[MEDIAN] for name, one in means.items() if MEDIAN in one.measures}
    several = scored.get("model", {}) if len(models) > 1 else {}
    document = {
        "schema_version": SCHEMA_VERSION,
        "run": "+".join(runs),
        "runs": list(runs),
        "weights": {run: weights_key(request.project, run) for run in models},
        "split": "test" if inputs.fit_split else "all",
        "clips": len(inputs.clips),
        "training_clips": len(inputs.fit),
        "labelled_clips": len(inputs.labels.test) if inputs.labels else 0,
        "phases": list(inputs.labels.phases) if inputs.labels else [],
        "events": source,
        "protocol": inputs.protocol.to_json(request.config.evaluate),
        "features": {name: one.row() for name, one in means.items()},
        "by_run": {run: one.row() for run, one in several.items()},
        "comparisons": compare(medians),
        "warnings": warnings,
    }
    return Evaluated(document, scored, inputs)


def result_name(runs: Sequence[str], protocol: str) -> str:
    """Stem of the result files: the runs, and the protocol if it is not `la2ds`.

    If the names of several runs are too long together, it has the first one, the number of the
    others, and a digest of all names.
    """
    stem = "+".join(runs)
    if len(runs) > 1 and len(stem) > _LONGEST:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:8]
        stem = f"{runs[0][:_LONGEST]}+{len(runs) - 1}-{digest}"
    return stem + ("" if protocol == "la2ds" else f"-{protocol}")


def _score_all(sets: Sequence[FeatureSet], inputs: Inputs, progress: Progress) -> ByRun:
    pairs = sum(len(draw.pair) for draw in inputs.draws)
    progress.begin("evaluate", sum(1 + len(s.variants) * pairs for s in sets))
    scored: ByRun = {}
    for feature_set in sets:
        one = score(feature_set, inputs, progress)
        scored.setdefault(feature_set.name, {})[feature_set.run] = one
        progress.advance()
    progress.end()
    return scored


def events_csv(scored: ByRun, clips: Sequence[EvaluationClip]) -> str:
    """A line for each transferred event. The error is in frames, in percent of the untrimmed length
    of B and in seconds."""
    header = ["feature", "draw", "a", "b", "event", "error_frames", "error_percent"]
    rows = (
        [f"{name}:{run}" if len(by_run) > 1 else name]
        + [e.draw, clips[e.a].id, clips[e.b].id, e.event]
        + [round(value, 6) for value in (e.frames, e.percent, e.seconds)]
        for name, by_run in scored.items()
        for run, one in by_run.items()
        for e in one.errors
    )
    return table_text([*header, "error_seconds"], rows)
