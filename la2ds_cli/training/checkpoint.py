"""Files and state of one training run.

checkpoints/<run>/ config.toml · metrics.jsonl · loss.jsonl · last.safetensors · best.safetensors ·
resume.pt · finished.json. Weights have the recipe and the settings in their header, so a single
file is enough to embed clips.
"""

from __future__ import annotations

import io
import json
import math
import time
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from la2ds_cli.core import artifact, regular_file
from la2ds_cli.core.artifact import Recipe
from la2ds_cli.core.config import Config
from la2ds_cli.core.errors import Unreadable
from la2ds_cli.network.run_weights import CODE, FRAMES
from la2ds_cli.training.losses import HEAD

if TYPE_CHECKING:
    import torch

    from la2ds_cli.training.validate import Validation
    from la2ds_models.sequence_network import SequenceNetwork

VERSION = 1
FINISHED = "finished.json"  # written last
SECTIONS = ("heatmap", "augment", "model", "train")
START = "start"  # recipe input: the identity of the weights that a run starts from
SPEED_ONLY = {("train", "threads")}  # changes only rounding
LOSS_EVERY = 10  # steps between two lines of loss.jsonl
SAVE_SECONDS = 60.0  # between two resume states; saving one takes some hundredths of a second


def training_recipe(
    config: Config,
    digest: str,
    frames: str = "",
    start: str = "",
    code: Mapping[str, str] | None = None,
) -> Recipe:
    """Return the recipe of a run: every setting that affects the weights, and its inputs.

    Parameters
    ----------
    config: settings of the run.
    digest: of its clips.
    frames: identity of the weights that read video frames; empty if the run reads none.
    start: identity of the weights that the run starts from; empty for random weights.
    code: digests of the user's own modules that the run uses, by name (plugins.code_digests).
    """
    settings = {
        f"{section}.{key}": value
        for section in SECTIONS
        for key, value in asdict(getattr(config, section)).items()
        if (section, key) not in SPEED_ONLY
    }
    inputs = {"clips": digest} | ({FRAMES: frames} if frames else {})
    inputs |= {START: start} if start else {}
    inputs |= {f"{CODE}{name}": value for name, value in (code or {}).items()}
    return Recipe("train", VERSION, settings, inputs)


# --- weights -------------------------------------------------------------------------------------


def save_weights(
    path: Path, network: SequenceNetwork, recipe: Recipe, facts: Mapping[str, Any]
) -> None:
    """Write the weights of a network (float32) atomically, with a recipe and facts in the header.

    The head of the method, which embedding does not need, is left out.
    """
    arrays = {
        name: tensor.detach().cpu().float().numpy()
        for name, tensor in network.state_dict().items()
        if not name.startswith(f"{HEAD}.")
    }
    artifact.write_arrays(path, arrays, recipe, facts)


def load_resume(path: Path) -> dict[str, Any] | None:
    """Return the state that Records.save wrote, or None if the file is missing or damaged."""
    if not path.exists():
        return None
    import torch

    try:
        with regular_file.opened(path, most=None) as stream:
            if not _is_stored(stream):
                return None
            return torch.load(stream, map_location="cpu", weights_only=True)
    except Exception:  # torch raises errors of every kind for damaged files
        return None


def _is_stored(stream: BinaryIO) -> bool:
    """Return whether a zip file has uncompressed members, as torch.save writes them; compressed or
    overlapping members could fill the memory. Raises BadZipFile."""
    size = stream.seek(0, 2)
    with zipfile.ZipFile(stream) as file:
        members = file.infolist()
    stream.seek(0)
    plain = all(member.compress_type == zipfile.ZIP_STORED for member in members)
    return plain and sum(member.file_size for member in members) <= size


# --- the counters that a resumed run needs besides weights and optimiser -------------------------


@dataclass
class LoopState:
    """Steps done, seconds of training so far, best validation, and sums of losses.

    best_error, raw_pose_error: % of the clip length (training.validate). idle: consecutive
    validations without improvement. collapse: how the embedding has collapsed, empty if it has not.
    threads: of torch, so that a resumed run computes the same; 0 before the first step. loss_sum,
    losses: since the last validation. line_sum, line_losses: since the last line of loss.jsonl. The
    field names are the keys in resume.pt.
    """

    step: int = 0
    seconds: float = 0.0
    best_error: float = math.inf
    best_step: int = 0
    rank: float = 0.0
    finished: bool = False
    raw_pose_error: float = math.nan
    idle: int = 0
    collapse: str = ""
    threads: int = 0
    loss_sum: float = 0.0
    losses: int = 0
    line_sum: float = 0.0
    line_losses: int = 0

    def record(self, result: Validation) -> bool:
        """Record a validation, and return whether it is the best so far."""
        self.rank, self.collapse = result.rank, result.collapse
        if not result.error < self.best_error:
            self.idle += 1
            return False
        self.best_error, self.best_step, self.idle = result.error, self.step, 0
        return True


def run_warnings(run_dir: Path) -> list[str]:
    """Return the warnings about a finished run; none if it has not finished."""
    warnings = artifact.read_document(run_dir / FINISHED).get("warnings", [])
    return [str(text) for text in warnings] if isinstance(warnings, list) else []


def early_end(step: int, steps: int, idle: int, patience: int) -> str:
    """Return why a finished run ended before its planned steps, as a phrase; empty if it did not.

    Parameters
    ----------
    step: steps done.
    steps: planned steps.
    idle: consecutive validations without improvement.
    patience: most such validations, 0 = no limit.
    """
    if step >= steps:
        return ""
    if 0 < patience <= idle:
        return f"{patience} validations without improvement"
    return "its time limit"


# --- everything that a run writes while it trains ------------------------------------------------


class Records:
    """Weights, metrics and resume state of a run in its folder.

    seen: facts stored with the weights, such as `videos`, ids of all clips of the run, including
    the validation clips, so that the network is not scored on them later; and `frames_shown`,
    frames of the longest clip that it was trained on.
    """

    def __init__(
        self,
        run_dir: Path,
        recipe: Recipe,
        skeleton: str,
        seen: Mapping[str, Any],
        network: SequenceNetwork,
        optimiser: torch.optim.Optimizer,
    ) -> None:
        self._run_dir, self._recipe, self._skeleton = run_dir, recipe, skeleton
        self._seen, self._network, self._optimiser = dict(seen), network, optimiser
        self._saved = time.monotonic()

    def resume(self) -> LoopState:
        """Load the last saved state, or start at step 0; drop metrics of later steps and a
        half-written last line."""
        saved = load_resume(self._run_dir / "resume.pt")
        state = LoopState()
        if saved is not None:
            try:
                if not isinstance(saved, dict):
                    raise TypeError("it is not a dictionary")
                self._network.load_state_dict(saved["network"])
                self._optimiser.load_state_dict(saved["optimiser"])
                state = LoopState(**saved["state"])
            except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
                raise Unreadable(
                    f"{self._run_dir / 'resume.pt'} is not the state of this run: "
                    f"{str(error).strip().partition(chr(10))[0]}",
                    hint="delete the file, or train again with --overwrite",
                ) from error
        for name in ("metrics.jsonl", "loss.jsonl"):
            _cut(self._run_dir / name, state.step)
        return state

    def add_loss(self, state: LoopState, loss: float) -> None:
        """Add the loss of a step, and write the mean to loss.jsonl every LOSS_EVERY steps.

        This shows the progress of a run that is validated only at its end.
        """
        state.loss_sum += loss
        state.losses += 1
        state.line_sum += loss
        state.line_losses += 1
        if state.step % LOSS_EVERY == 0:
            mean = state.line_sum / state.line_losses
            row = {"step": state.step, "seconds": round(state.seconds, 2), "loss": mean}
            with (self._run_dir / "loss.jsonl").open("a", encoding="utf-8") as handle:
                handle.write(json.dumps(row) + "\n")
            state.line_sum, state.line_losses = 0.0, 0

    def save_validation(
        self, state: LoopState, result: Validation, rate: float, best: bool
    ) -> None:
        """Write the results of a validation: weights, metrics at the learning `rate`, and the
        resume state last, so that a run killed in between only repeats work."""
        facts = {
            "skeleton": self._skeleton,
            "step": state.step,
            "validation_error": result.error,
            "rank": result.rank,
            "spread": result.spread,
            "collapsed": bool(result.collapse),
        }
        centre = {"centre": result.centre.round(6).tolist()}
        if best:
            self._save_weights("best", facts | centre)
        self._save_weights("last", facts | centre)
        row = facts | {
            "variance": result.variance,
            "answers": result.answers,
            "loss": state.loss_sum / max(state.losses, 1),
            "learning_rate": rate,
            "seconds": round(state.seconds, 2),
        }
        with (self._run_dir / "metrics.jsonl").open("a", encoding="utf-8") as handle:
            handle.write(json.dumps(row) + "\n")
        state.loss_sum, state.losses = 0.0, 0
        self.save(state)

    def save_if_due(self, state: LoopState) -> None:
        """Save the resume state if the last one is `SAVE_SECONDS` old."""
        if time.monotonic() - self._saved >= SAVE_SECONDS:
            self.save(state)

    def save(self, state: LoopState) -> None:
        """Write the resume state, from which a resumed run computes the same."""
        import torch

        content = {
            "network": self._network.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "state": dict(vars(state)),
        }
        buffer = io.BytesIO()
        torch.save(content, buffer)
        artifact.write_bytes(self._run_dir / "resume.pt", buffer.getvalue())
        self._saved = time.monotonic()

    def _save_weights(self, name: str, facts: dict[str, object]) -> None:
        path = self._run_dir / f"{name}.safetensors"
        save_weights(path, self._network, self._recipe, facts | self._seen)


def _cut(path: Path, step: int) -> None:
    """Drop the lines of later steps and a half-written last line."""
    if path.is_symlink():
        path.unlink()  # rows are appended, which would follow the link
    if path.exists():
        lines = regular_file.text(path, errors="replace").splitlines()
        earlier = [line for line in lines if _is_metrics_until(line, step)]
        artifact.write_text(path, "".join(f"{line}\n" for line in earlier))


def _is_metrics_until(line: str, step: int) -> bool:
    """Return whether a line is complete and belongs to no step after `step`."""
    try:
        return json.loads(line)["step"] <= step
    except (KeyError, TypeError, ValueError):
        return False
