"""What the Tab key of a shell offers for clips, runs and methods. It reads the lists of the project
and no array, and says nothing where there is no project: a shell has no place for an error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import typer

from la2ds_cli.core.clip import VIDEO_SUFFIXES
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.plugins import plugin_names

if TYPE_CHECKING:
    from la2ds_cli.core.clip import Video

Completer = Callable[[typer.Context, str], list[str]]
_TRAINING = "la2ds_cli.training.losses", "la2ds_cli.methods"


def complete_clips(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the clips of the project and the videos of the folder that begin so; none for a path,
    which shells complete themselves."""
    if "/" in incomplete:
        return []
    files: list[str] = []
    with suppress(OSError):
        files = [path.name for path in Path().iterdir() if path.suffix.lower() in VIDEO_SUFFIXES]
    return _beginning(incomplete, [*_short_names(_videos(ctx), incomplete), *files])


def complete_runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the runs of the project that begin so."""
    from la2ds_cli.core.project_folder import ProjectFolder

    with suppress(OSError, UserError):
        return _beginning(incomplete, ProjectFolder(_root(ctx)).runs())
    return []


def complete_alignment_methods(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the shipped methods of alignment that begin so."""
    from la2ds_cli.alignment.methods import method_names

    return _beginning(incomplete, method_names())


def complete_training_methods(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the shipped methods of training that begin so."""
    return _beginning(incomplete, plugin_names(*_TRAINING))


def complete_label_formats(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the formats of label files that begin so."""
    from la2ds_cli.labels.files import FORMATS

    return _beginning(incomplete, FORMATS)


def complete_list(one: Completer) -> Completer:
    """Return a completer of the last word of a list `a,b,c`."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        before, comma, last = incomplete.rpartition(",")
        given = before.split(",")
        return [before + comma + word for word in one(ctx, last) if word not in given]

    return complete


def _beginning(start: str, words: Iterable[str]) -> list[str]:
    """Return the words that begin so and that a shell can show, each once and sorted."""
    plain = (word for word in words if word.isprintable() and " " not in word)
    return sorted({word for word in plain if word.startswith(start)})


def _short_names(videos: list[Video], start: str) -> list[str]:
    """Return the file names without their suffixes, where only one clip has them, or else ids; ids
    alone if no file begins so."""
    stems = [PurePosixPath(video.path.replace("\\", "/")).stem for video in videos]
    count = Counter(stems)
    names = [
        stem if count[stem] == 1 and " " not in stem else video.id
        for stem, video in zip(stems, videos, strict=True)
    ]
    return names if _beginning(start, names) else [video.id for video in videos]


def _videos(ctx: typer.Context) -> list[Video]:
    from la2ds_cli.core.video_list import read_videos

    with suppress(OSError, UserError):
        return read_videos(_root(ctx) / "videos.csv")
    return []


def _root(ctx: typer.Context) -> Path:
    """Return the folder of the project that the words before the cursor name."""
    given: Any = ctx.params.get("project") or ctx.params.get("projects") or "."
    return Path(given[0] if isinstance(given, list | tuple) else given)
