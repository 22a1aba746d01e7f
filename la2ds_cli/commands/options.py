"""Options of commands: how to declare them, options that several commands share, and groups of
options (`command.Command` turns a group into its options)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import typer

from la2ds_cli.commands.completion import (
    Completer,
    complete_alignment_methods,
    complete_clips,
    complete_label_formats,
    complete_list,
    complete_runs,
    complete_training_methods,
)
from la2ds_cli.commands.projects import open_for_clips, open_project
from la2ds_cli.core.console import Console
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.view import ViewName

if TYPE_CHECKING:
    from la2ds_cli.alignment.alignment import Alignment
    from la2ds_cli.alignment.request import AlignRequest
    from la2ds_cli.core.progress import Progress
    from la2ds_cli.core.stored_project import StoredProject

HERE = Path()
PROJECT = "LA2DS_PROJECT"  # variable of the environment
FeaturesChoice = Literal["auto", "model", "base", "pose"]  # as alignment.request.FeatureKind
EngineName = Literal["local", "ray"]

# What the Tab key offers for a value, by how the help names it.
COMPLETERS: dict[str, Completer] = {
    **{name: complete_clips for name in ("A", "B", "A B", "A B [C...]", "CLIP", "VIDEO")},
    **{name: complete_clips for name in ("OTHER", "REFERENCE", "VIDEO[@SECONDS]")},
    "VIDEO,...|PATTERN": complete_list(complete_clips),
    "NAME,...": complete_list(complete_runs),
    "FORMAT": complete_label_formats,
    "A,B,C": complete_list(complete_training_methods),
}


def argument(metavar: str, text: str, default: Any = ..., **more: Any) -> Any:
    """Return the default of a parameter that is an argument; `...` = required."""
    more = {"autocompletion": COMPLETERS.get(metavar)} | more
    return typer.Argument(default, metavar=metavar, help=text, **more)


def option(metavar: str, text: str, default: Any = None, *names: str, **more: Any) -> Any:
    """Return the default of a parameter that is an option with a value.

    Parameters
    ----------
    names: such as `--out`; by default the name of the parameter.
    more: for typer.Option, such as limits.
    """
    more = {"autocompletion": COMPLETERS.get(metavar)} | more
    return typer.Option(default, *names, metavar=metavar, help=text, **more)


def flag(names: str, text: str, default: bool | None = False) -> Any:
    """Return the default of a parameter that is an option without a value, `--on` or
    `--on/--off`."""
    return typer.Option(default, *names.split(), help=text)


def out_option(metavar: str, text: str) -> Any:
    """Return the default of a parameter that says where to write."""
    return option(metavar, text, None, "--out", "-o")


PROJECT_NAMES = "--project", "-p"
PROJECT_OPTION = option("DIR", "Project directory.", HERE, *PROJECT_NAMES, envvar=PROJECT)
OFFLINE = flag("--offline", "Use no network; weights must be installed.")  # for every command
JSON = flag("--json", "Print one JSON document on stdout and nothing else.")
ENGINE = option("local|ray", "Where to compute the runs: here, or on a Ray cluster.", "local")
PROTOCOL = option("la2ds|paper|casa", "Definitions of the metrics to use.", "la2ds")
DEVICE = option(
    "|".join(get_args(DeviceName)), "Where to compute; cuda fails without a GPU.", "auto"
)
RUN = option("NAME", "Name of the training run.", "default", autocompletion=complete_runs)
METHOD = option(
    "NAME",
    "dtw or linear; default the project's, usually dtw.",
    autocompletion=complete_alignment_methods,
)
SETTINGS = option(
    "SECTION.KEY=VALUE", "Change a setting, such as train.steps=4000; repeatable.", None, "--set"
)
OVERWRITE = flag("--overwrite", "Redo everything, even if it is up to date.")
CLIP_A = argument("A", "A video file, or a clip of the project.")


@dataclass(frozen=True)
class Output:
    """How a command prints."""

    as_json: bool = JSON
    quiet: bool = flag("--quiet -q", "No progress and no notes; errors are still shown.")

    def console(self) -> Console:
        """Return the console, for a `with` block."""
        return Console(as_json=self.as_json, quiet=self.quiet)


@dataclass(frozen=True)
class Here(Output):
    """The project of a command, and how it prints."""

    project: Path = PROJECT_OPTION

    def open(self) -> StoredProject:
        """Return the project; raise UserError (exit 2) if there is none."""
        return open_project(self.project)

    def clips(self, names: Sequence[str], console: Console) -> StoredProject:
        """Return the project, see open_for_clips."""
        return open_for_clips(self.project, names, console)


@dataclass(frozen=True)
class Features:
    """Features used to compare clips, and where to compute them."""

    run: str = RUN
    features: FeaturesChoice = option(
        "auto|model|base|pose",
        "auto: the run's model, else the base model, else raw poses.",
        "auto",
    )
    device: DeviceName = DEVICE

    def request(self, project: StoredProject, **more: Any) -> AlignRequest:
        """Return the options of this group as a request; more: further fields."""
        from la2ds_cli.alignment.anchors import parse_anchors
        from la2ds_cli.alignment.request import AlignRequest

        options = vars(self) | more
        if "force" in options:
            options["same_only"] = not options.pop("force")
        if "anchor" in options:
            options["anchors"] = parse_anchors(options.pop("anchor"))
        return AlignRequest(project.config(), **options)


@dataclass(frozen=True)
class AlignmentOptions(Features):
    """How clips are aligned."""

    force: bool = flag("--force", "Continue even if the clips clearly show different movements.")


@dataclass(frozen=True)
class PairAlignment(AlignmentOptions):
    """How two clips are aligned."""

    method: str | None = METHOD
    view: ViewName = option(
        "VIEW",
        "How to compare B: auto|filmed|mirrored|other|turned. mirrored: for a left-hander; other: "
        "from the other side; turned: in 3D; auto: the best match of these.",
        "auto",
    )


@dataclass(frozen=True)
class AnchoredAlignment(PairAlignment):
    """How two clips are aligned, with matches set by a person."""

    anchor: list[str] | None = option(
        "A=B", "Seconds of A and of B that show the same moment; repeatable."
    )


@dataclass(frozen=True)
class Recordings:
    """Whether two clips are recordings of the same performance."""

    same_performance: bool = flag(
        "--same-performance", "Both show the same performance: only find the lag (la2ds offset)."
    )

    def find(
        self, project: StoredProject, a: str, b: str, request: AlignRequest, progress: Progress
    ) -> Alignment:
        """Align clip `b` with clip `a`; raise as align_clips or find_offsets."""
        from la2ds_cli.alignment.aligned_repetitions import align_clips
        from la2ds_cli.offset.find_offsets import align_recordings

        find = align_recordings if self.same_performance else align_clips
        return find(project, a, b, request, progress)


@dataclass(frozen=True)
class Runs:
    """How the runs of a table are trained."""

    settings: list[str] | None = SETTINGS
    minutes: float | None = option("M", "Longest training of each run, in minutes.", min=0.0)
    seeds: str = option("N,N,...", "Seeds; every row is trained once for each.", "0")
    device: DeviceName = DEVICE

    def arguments(self) -> dict[str, Any]:
        """Return the fields of a Plan."""
        return vars(self) | {"settings": self.settings or [], "seeds": seed_numbers(self.seeds)}


@dataclass(frozen=True)
class Exported:
    """Which clips to export, and where."""

    videos: list[str] | None = argument("VIDEO", "Clips by file or id; default all.", None)
    out: Path | None = out_option("DIR", "Folder; default results/export of the project.")
    overwrite: bool = flag("--overwrite", "Replace existing files.")


def forbid_network() -> None:
    """Forbid network access (--offline) in this process and its children."""
    os.environ["LA2DS_OFFLINE"] = "1"  # read by la2ds_models.weight_files when a file is missing


def seed_numbers(text: str) -> list[int]:
    """Return the seeds of a list such as `0,1,2`; raise UserError (exit 2) for anything else."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"'{text}' is not a list of seeds", hint="--seeds 0,1,2") from None
