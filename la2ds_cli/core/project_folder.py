"""The folder of a project: where everything lies in it, and who may write to it.

project.toml · videos.csv · phases.csv · subjects.csv · people.csv · annotations.csv ·
store-name.txt · aside/ · poses/ · heatmaps/ · features/ · film/ · checkpoints/<run>/ ·
embeddings/<run>/ · results/{align,retrieve,evaluate,...}/ · logs/
(docs/reference/file-formats.md)
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from la2ds_cli.core import artifact
from la2ds_cli.core.clip import check_id
from la2ds_cli.core.errors import Mismatch, UserError
from la2ds_models.file_lock import system_lock

TABLES_WAIT = 10.0  # seconds for another to have written a table: of 100,000 clips it takes one
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # in names of files of at most 255 bytes


class ProjectFolder:
    """Paths and locks of a project directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside: dict[tuple[str, ...], Path] = {}  # folders known to lie in the project

    # --- locks ---------------------------------------------------------------------------

    def lock(self, wait: float = 0) -> AbstractContextManager[None]:
        """Exclusive use by one writing command; raises UserError (exit 5) if another command holds
        the lock for more than `wait` seconds.

        The operating system releases the lock when its process ends, so a killed run never
        leaves the project locked.
        """
        return self._locked_by("lock", wait)

    def shard_lock(self, number: int, count: int) -> AbstractContextManager[None]:
        """Exclusive use of one part of a list that several processes share. They take `lock` to
        write the project's tables. Raises UserError (exit 5) as `lock`."""
        return self._locked_by(f"shard-{number}-of-{count}.lock", 0)

    def tables(self, wait: float = TABLES_WAIT) -> AbstractContextManager[None]:
        """Exclusive use of the tables that people and commands change (videos.csv, phases.csv,
        subjects.csv, people.csv, annotations.csv, `aside`), only while one is read, changed and
        written.

        A command that holds `lock` for hours takes this lock only for moments, so that people can
        label and mark clips meanwhile. It can be taken again inside. Raises UserError (exit 5) as
        `lock`.
        """
        return self._locked_by("tables.lock", wait, again=True)

    def studio_lock(self) -> AbstractContextManager[None]:
        """One studio at a time; commands can run at the same time. Raises UserError (exit 5) as
        `lock`."""
        busy = Mismatch(
            f"a studio for {self.root} is already open",
            hint="use its page, or end it in the terminal that runs la2ds studio",
        )
        return self._locked_by("studio.lock", 0, busy)

    @contextmanager
    def _locked_by(
        self, name: str, wait: float, busy: UserError | None = None, again: bool = False
    ) -> Iterator[None]:
        from filelock import Timeout

        path = self._folder("logs") / name
        if path.is_symlink():  # a lock opens its file for writing
            raise _leads_out(path)
        lock = _one_lock(path, os.getpid()) if again else system_lock(path)
        try:
            path.parent.mkdir(exist_ok=True)
            lock.acquire(timeout=wait)
        except OSError as error:
            if isinstance(error, Timeout):
                raise busy or Mismatch(
                    f"another la2ds command is writing to {self.root}",
                    hint="wait for it to finish, then run the same command again",
                ) from error
            raise artifact.cannot_write(self.root / "logs", error) from error
        try:
            yield
        finally:
            lock.release()

    # --- paths ---------------------------------------------------------------------------

    def _folder(self, *names: str) -> Path:
        """A folder of the project, which need not exist. Raises UserError (exit 5) for a link that
        leads out of the project: in a project from somebody else, a link could lead to any
        folder."""
        if names not in self._inside:
            path = self.root.joinpath(*names)
            if not real_path(path).is_relative_to(real_path(self.root)):
                raise _leads_out(path)
            self._inside[names] = path
        return self._inside[names]

    def _artifact(self, video: str, *folder: str) -> Path:
        """The file of a clip in a folder; UserError (exit 5) for an id that leads out of it."""
        try:
            check_id(video)
        except ValueError as error:
            raise Mismatch(str(error)) from error
        return self._folder(*folder) / f"{video}.safetensors"

    def pose_path(self, video: str) -> Path:
        return self._artifact(video, "poses")

    def partial_poses(self, video: str) -> Path:
        """Folder of the unfinished poses of a clip."""
        return self._folder("poses", "partial", self._artifact(video, "poses").stem)

    def heatmap_path(self, video: str) -> Path:
        return self._artifact(video, "heatmaps")

    def features_path(self, video: str) -> Path:
        """Features of the video frames of a clip."""
        return self._artifact(video, "features")

    def film_dir(self, video: str | None = None, version: str = "") -> Path:
        """Folder of the pictures of a clip that the studio shows, or of one version of them; None:
        of all clips."""
        below = [] if video is None else [self._artifact(video).stem]
        return self._folder("film", *below, *([version] if version else []))

    def run_dir(self, run: str) -> Path:
        """Checkpoint folder of a run; raises UserError (exit 2) for an invalid name."""
        if not _RUN_NAME.fullmatch(run):
            raise UserError(
                f"'{run[:100]}' is not a run name",
                hint="use letters, digits, '.', '_' and '-', at most 100 of them",
            )
        return self._folder("checkpoints", run)

    def runs(self) -> list[str]:
        """Names of the folders in checkpoints, sorted, without those that no run can have, such as
        `default copy`."""
        folders = [path.name for path in (self.root / "checkpoints").glob("*") if path.is_dir()]
        return sorted(filter(_RUN_NAME.fullmatch, folders))

    def embedding_path(self, run: str, video: str) -> Path:
        return self._artifact(video, "embeddings", self.run_dir(run).name)

    @property
    def store_name_path(self) -> Path:
        """The name of the project in the stores of `retrieve`."""
        return self.root / "store-name.txt"

    def results_dir(self, kind: str) -> Path:
        """Folder of the results of a step, such as `align`, or one below it (`export/trc`)."""
        return self._folder("results", *kind.split("/"))

    def log_path(self, name: str) -> Path:
        """A file in logs/."""
        return self._folder("logs") / name

    @property
    def videos_path(self) -> Path:
        return self.root / "videos.csv"

    @property
    def phases_path(self) -> Path:
        return self.root / "phases.csv"

    @property
    def annotations_path(self) -> Path:
        """What a person has set for moments of files; see core/annotations.py."""
        return self.root / "annotations.csv"

    def aside(self, name: str) -> Path:
        """What is kept of clips that were removed."""
        return self._folder("aside") / name

    @property
    def subjects_path(self) -> Path:
        return self.root / "subjects.csv"

    @property
    def people_path(self) -> Path:
        """Where the people of films are; see core/people_table.py."""
        return self.root / "people.csv"


def real_path(path: Path) -> Path:
    # Path.resolve raises RuntimeError for links in a circle; realpath leaves them as they are.
    return Path(os.path.realpath(path))


@cache
def _one_lock(path: Path, process: int) -> Any:
    """Return the lock of a file, one object per process, which the thread that holds it may take
    again; a fork of the process needs its own."""
    return system_lock(path)


def _leads_out(path: Path) -> UserError:
    return Mismatch(
        f"{path} is a link to {real_path(path)}, outside the project",
        hint="replace it with a folder, or move the whole project to the other disk",
    )
