"""Options that several commands share, and how commands open the project."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import typer

from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.view import ViewName

if TYPE_CHECKING:
    from la2ds_cli.core.console import Console
    from la2ds_cli.core.project import Project

HERE = Path()
FeaturesChoice = Literal["auto", "model", "base", "pose"]  # as alignment.clip_features.FeatureKind
ProjectOption = Annotated[
    Path,
    typer.Option("--project", envvar="LA2DS_PROJECT", metavar="DIR", help="Project directory."),
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="No progress and no notes; errors are still shown.")
]
DeviceOption = Annotated[
    DeviceName,
    typer.Option(
        "--device",
        metavar="|".join(get_args(DeviceName)),
        help="Where to compute; cuda fails if there is no GPU.",
    ),
]
FeaturesOption = Annotated[
    FeaturesChoice,
    typer.Option(
        "--features",
        metavar="auto|model|base|pose",
        help="auto: the run's model, else the base model, or raw poses of what it does not read.",
    ),
]
MethodOption = Annotated[
    str | None,
    typer.Option(
        "--method",
        metavar="NAME",
        help="dtw, nearest or linear; default the project's, usually dtw.",
    ),
]
ForceOption = Annotated[
    bool,
    typer.Option("--force", help="Continue even if the clips clearly show different movements."),
]
AnchorOption = Annotated[
    list[str] | None,
    typer.Option(
        "--anchor",
        metavar="A=B",
        help="Seconds of A and of B that show the same moment; repeatable.",
    ),
]
ViewOption = Annotated[
    ViewName,
    typer.Option(
        "--view",
        metavar="auto|filmed|mirrored|other|turned",
        help="How B is compared: as filmed, mirrored (a left-hander), seen from the other side, or "
        "turned (by joints in metres); auto takes the nearest.",
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="SECTION.KEY=VALUE",
        help="Change a setting, such as train.steps=4000; repeatable.",
    ),
]
RunOption = Annotated[str, typer.Option("--run", metavar="NAME", help="Name of the training run.")]
SeedsOption = Annotated[
    str, typer.Option("--seeds", metavar="N,N,...", help="Seeds; every row is run once for each.")
]
EngineOption = Annotated[
    Literal["local", "ray"],
    typer.Option(
        "--engine",
        metavar="local|ray",
        help="Where the runs are computed: here, or on a Ray cluster.",
    ),
]
RunMinutesOption = Annotated[
    float | None,
    typer.Option(
        "--minutes", metavar="M", min=0.0, help="Longest training of each run, in minutes."
    ),
]
RetrainOption = Annotated[
    bool, typer.Option("--overwrite", help="Train every run from the start again.")
]
ExportedArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="VIDEO", help="Clips by file or id; default all."),
]
ExportFolderOption = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Folder; default results/export of the project."),
]
ReplaceOption = Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Redo everything, even what is up to date.")
]


def on_project(command: str, root: Path) -> str:
    """A command on the project at `root`, to be typed as it is."""
    return f"{command} --project {shlex.quote(str(root))}"


def open_project(root: Path) -> Project:
    """The project at `root`. Raises UserError (exit 2) if there is none."""
    from la2ds_cli.core.project import Project

    return Project.open(root)


def open_or_create(root: Path, console: Console) -> Project:
    """The project at `root`; created there, with a note, if there is none. A new project is removed
    if the command ends without having put anything into it, such as one that fails on its other
    arguments, so that a mistyped folder does not become an empty project."""
    from la2ds_cli.core.project import PROJECT_FILE, Project

    if (root / PROJECT_FILE).exists():
        return Project.open(root)
    console.note(f"new project in {root.resolve()}")
    before = {path.name for path in root.iterdir()} if root.is_dir() else None
    project = Project.create(root)

    def end() -> None:
        if _take_back(project.root, PROJECT_FILE, before):
            console.note("no project was created, since nothing was added to it")

    console.at_end(end)
    return project


def _take_back(root: Path, project_file: str, before: set[str] | None) -> bool:
    """Remove what Project.create and its locks wrote, unless something else was made or another
    command uses it; whether that was done. before: what was in the folder, None if it is new."""
    from filelock import FileLock

    with suppress(OSError):  # a lock that another command holds is one, too
        made = {path.name for path in root.iterdir()} - (before or set())
        locks = list((root / "logs").iterdir()) if "logs" in made else []
        if not made <= {project_file, "logs"} or any("lock" not in path.name for path in locks):
            return False
        for path in locks:
            with FileLock(path, timeout=0):
                pass
        for path in (*locks, root / project_file):
            path.unlink(missing_ok=True)
        folders = ["logs"] * ("logs" in made) + [""] * (before is None)
        for folder in folders:
            (root / folder).rmdir()
        return True
    return False


def open_or_create_for(root: Path, names: Sequence[str], console: Console) -> Project:
    """open_or_create, but a new project needs at least one name that refers to something.

    names: files, folders, patterns, lists or URLs. Raises UserError (exit 3) if there is no project
    and none of them exists, so that a mistyped folder does not become an empty project.
    """
    from la2ds_cli.core.project import PROJECT_FILE

    if names and not (root / PROJECT_FILE).exists():
        from la2ds_cli.poses.sources import stands_for_clips
        from la2ds_cli.video.media_files import unreadable

        if not any(stands_for_clips(name) for name in names):
            folder = _is(Path.is_dir, names[0])
            what = "no video and no images in the folder" if folder else "no such file:"
            hint = "check the spelling of the path; no project was created"
            raise unreadable(f"{what} {names[0]}", hint, "V006")
    return open_or_create(root, console)


def open_for_clips(root: Path, names: Sequence[str], console: Console) -> Project:
    """The project at `root`, created if there is none and all clips are files.

    Raises UserError (exit 3) if there is none and a clip does not exist that was probably meant to
    be a file: another is one, or a name ends as those of videos do.
    """
    from la2ds_cli.core.clip import VIDEO_SUFFIXES
    from la2ds_cli.core.project import PROJECT_FILE
    from la2ds_cli.video.media_files import unreadable

    files = [name for name in names if _is(Path.is_file, name)]
    if len(files) == len(names):
        return open_or_create(root, console)
    gone = [name for name in names if not _is(Path.exists, name)]
    meant = files or any(Path(name).suffix.lower() in VIDEO_SUFFIXES for name in gone)
    if meant and gone and not (root / PROJECT_FILE).exists():
        raise unreadable(f"no such file: {gone[0]}", "check the spelling of the path", "V006")
    return open_project(root)


def _is(test: Callable[[Path], bool], name: str) -> bool:
    try:
        return test(Path(name))
    except OSError:  # a name longer than the system allows; reading it will say so
        return False


def seed_numbers(text: str) -> list[int]:
    """The seeds of a list such as `0,1,2`; UserError (exit 2) for anything else."""
    from la2ds_cli.core.errors import UserError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise UserError(f"'{text}' is not a list of seeds", hint="--seeds 0,1,2") from None
