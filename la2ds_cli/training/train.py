"""Step: train the alignment network on a project's clips."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from la2ds_cli import artifact
from la2ds_cli.config import Config
from la2ds_cli.device import DeviceName, resolve_device
from la2ds_cli.errors import ExitCode, UserError
from la2ds_cli.progress import Progress
from la2ds_cli.project import DEFAULT_RUN, Project

FEW_CLIPS = 10  # below this the user is warned
COLLAPSED = 20.0  # % synthetic warp error; chance is about 33


@dataclass(frozen=True)
class TrainResult:
    """Outcome of a run. validation_error: % of clip length, synthetic warps of held-out clips
    (la2ds_cli.training.validate); seconds: of training, over all resumed parts."""

    run: str
    steps: int
    seconds: float
    clips: int
    validation_error: float
    best_step: int
    checkpoint: Path
    already_finished: bool = False
    warnings: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `--json`."""
        return asdict(self) | {"checkpoint": str(self.checkpoint)}


def train(
    project: Project,
    *,
    run: str = DEFAULT_RUN,
    config: Config,
    max_minutes: float | None = None,
    device: DeviceName = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
) -> TrainResult:
    """Train run `run`, or go on with it where it was interrupted.

    A finished run of the same settings and clips is left alone. A run of other settings or
    clips is refused (UserError, exit 5) unless `overwrite`. Writes the files of
    la2ds_cli.training.checkpoint and CARD.md.
    """
    import tomli_w

    from la2ds_cli.network import build_network
    from la2ds_cli.training import card, checkpoint
    from la2ds_cli.training.data import load_training_set
    from la2ds_cli.training.loop import run_loop

    progress = progress or Progress()
    target = resolve_device(device)
    run_dir = project.run_dir(run)
    data = load_training_set(project, config)
    made_from = checkpoint.recipe(config, data.digest)
    if overwrite:
        _clear(run_dir)
    _refuse_drift(run_dir, made_from, run)
    warnings = []
    count = len({clip.video for clip in (*data.train, *data.validation)})
    if count < FEW_CLIPS:
        warnings.append(
            f"only {count} clips to learn from: compare with --features pose before trusting it"
        )
        progress.note(warnings[-1])
    artifact.write_text(run_dir / "config.toml", tomli_w.dumps(config.to_dict()))
    artifact.write_json(run_dir / "recipe.json", made_from.to_json())

    network = build_network(config.model, config.heatmap, data.skeleton, config.train.seed)
    saved = checkpoint.load_resume(run_dir / "resume.pt")
    already = bool(saved and saved["state"]["finished"])
    state = run_loop(
        network.to(target),
        data,
        config,
        run_dir,
        made_from,
        device=target,
        max_minutes=max_minutes,
        progress=progress,
    )
    if state.best_error > COLLAPSED:
        warnings.append(
            f"the embedding undoes synthetic warps with {state.best_error:.0f} % error, close to "
            "chance: its alignments cannot be trusted"
        )
        progress.note(warnings[-1])
    card.write_card(run_dir, config, data, state, target.type, warnings)
    return TrainResult(
        run=run,
        steps=state.step,
        seconds=state.seconds,
        clips=count,
        validation_error=state.best_error,
        best_step=state.best_step,
        checkpoint=run_dir / "best.safetensors",
        already_finished=already,
        warnings=warnings,
    )


def _clear(run_dir: Path) -> None:
    for name in ("resume.pt", "recipe.json", "last.safetensors", "best.safetensors"):
        (run_dir / name).unlink(missing_ok=True)


def _refuse_drift(run_dir: Path, made_from: artifact.Recipe, run: str) -> None:
    """A half-trained or finished run is never mixed with other settings."""
    import json

    path = run_dir / "recipe.json"
    if not path.exists():
        return
    old = artifact.Recipe.from_json(json.loads(path.read_text("utf-8")))
    if old.key == made_from.key:
        return
    raise UserError(
        f"run '{run}' was trained differently ({artifact.difference(old, made_from)})",
        hint="choose another name with --run NAME, or replace it with --overwrite",
        exit_code=ExitCode.MISMATCH,
    )
