"""A training run with the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from la2ds_cli.core.data_frames import make_data_frame

if TYPE_CHECKING:
    from la2ds_cli.core.config import Config
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.stored_project import StoredProject
    from la2ds_cli.training.train import TrainOptions, TrainResult


class Trained(NamedTuple):
    """A training run.

    result: the run, with its fields `run` (name); `steps` and `seconds`, over all parts of a
    resumed run; `clips`, the number of training clips; `validation_error`, the synthetic warp error
    in % of the clip length (smaller is better), and `best_step`, where it was reached;
    `raw_pose_error`, the same error of raw poses, NaN if not measured; `checkpoint`, the weights
    file, beside which metrics.jsonl records the training (docs/tutorials/train-and-evaluate.md);
    `already_finished`, if there was nothing to do; and `warnings`.
    verdict: a sentence on whether the run is better than the base model, not shown to help, or
    worse; empty if they could not be compared.
    """

    result: TrainResult
    verdict: str

    def to_frame(self) -> Any:
        """Return a pandas.DataFrame with one row for the run.

        Raises UserError (exit 6) if pandas is not installed.
        """
        row: Mapping[str, Any] = self.result.to_json()
        return make_data_frame([{**row, "verdict": self.verdict}])


def train_and_judge(
    project: StoredProject, run: str, config: Config, options: TrainOptions, progress: Progress
) -> Trained:
    """Train a run and compare it with the base model.

    The caller must hold the project's lock. Raises UserError as `train` does.
    """
    from la2ds_cli.alignment.run_verdict import ensure_verdict
    from la2ds_cli.training.train import train

    result = train(project, run=run, config=config, options=options, progress=progress)
    verdict = ensure_verdict(project, result.run, options.device, progress)
    return Trained(result, verdict.sentence(result.run) if verdict else "")
