"""What a run writes while it goes on; only the first of several processes does."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from la2ds_cli.core.artifact import Recipe
from la2ds_cli.training import checkpoint
from la2ds_cli.training.state import LoopState

if TYPE_CHECKING:
    import torch

    from la2ds_cli.training.tensorboard import Curves
    from la2ds_cli.training.validate import Validation
    from la2ds_models.sequence_network import SequenceNetwork

SAVE_SECONDS = 60.0  # between two resume states; one takes some hundredths of a second


class Records:
    """Weights, metrics and resume state of one run in its folder.

    videos: ids of the clips that it has seen, those of the validation among them. They stand in
    the weights, so that nobody scores the network on them later.
    """

    def __init__(
        self,
        run_dir: Path,
        made_from: Recipe,
        skeleton: str,
        videos: Sequence[str],
        network: SequenceNetwork,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        self._run_dir, self._made_from, self._skeleton = run_dir, made_from, skeleton
        self._videos = list(videos)
        self._network, self._optimiser = network, optimiser
        self._curves: Curves | None = None
        self._saved = time.monotonic()

    def resume(self, *, writes: bool) -> LoopState:
        """Load what was saved last, or begin; with `writes` later metrics are dropped."""
        saved = checkpoint.load_resume(self._run_dir / "resume.pt")
        state = LoopState()
        if saved is not None:
            self._network.load_state_dict(saved["network"])
            self._optimiser.load_state_dict(saved["optimiser"])
            state = LoopState.from_saved(saved["state"])
        if writes:
            checkpoint.keep_metrics(self._run_dir / "metrics.jsonl", state.step)
        return state

    def draw_curves(self, step: int) -> None:
        """Write every later row for TensorBoard, too; UserError (exit 6) where it is missing."""
        from la2ds_cli.training.tensorboard import Curves

        self._curves = Curves(self._run_dir / "tensorboard", step)

    def validated(self, state: LoopState, found: Validation, rate: float, best: bool) -> None:
        """Write weights first and the resume state last: a kill in between only repeats work."""
        facts = {
            "skeleton": self._skeleton,
            "step": state.step,
            "validation_error": found.error,
            "rank": found.rank,
            "collapsed": bool(found.collapse),
        }
        if best:
            self._save_weights("best", facts)
        self._save_weights("last", facts)
        row = facts | {
            "variance": found.variance,
            "answers": found.answers,
            "loss": state.loss_sum / max(state.losses, 1),
            "learning_rate": rate,
            "seconds": round(state.seconds, 2),
            **state.shares(),
        }
        checkpoint.append_metrics(self._run_dir / "metrics.jsonl", row)
        if self._curves:
            self._curves.add(row)
        state.clear_sums()
        self.save(state)

    def save_if_due(self, state: LoopState) -> None:
        """Save where the last time is `SAVE_SECONDS` ago."""
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self.save(state)

    def save(self, state: LoopState) -> None:
        """Write all that a resumed run needs to equal this one."""
        content = {
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "state": dict(vars(state)),
        }
        checkpoint.save_resume(self._run_dir / "resume.pt", content)
        self._saved = time.monotonic()

    def close(self) -> None:
        if self._curves:
            self._curves.close()

    def _save_weights(self, name: str, facts: dict[str, object]) -> None:
        path = self._run_dir / f"{name}.safetensors"
        seen = facts | {"videos": self._videos}
        checkpoint.save_weights(path, self._network, self._made_from, seen)
