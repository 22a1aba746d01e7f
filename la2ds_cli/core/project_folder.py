"""The folder of a project: its paths, and locks for writing.

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

TABLES_WAIT = 10.0  # seconds; writing a table of 100,000 clips takes one
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")  # part of file names, up to 255 bytes


class ProjectFolder:
    """The paths and locks of a project directory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._inside: dict[tuple[str, ...], Path] = {}  # folders known to lie in the project

    # --- locks ---------------------------------------------------------------------------

    def lock(self, wait: float = 0) -> AbstractContextManager[None]:
        """Lock the project for one writing command. Raises UserError (exit 5) if another command
        holds the lock for more than `wait` seconds.

        The operating system releases the lock when its process ends, so a killed run never
        leaves the project locked.
        """
        return self._locked_by("lock", wait)

    def shard_lock(self, number: int, count: int) -> AbstractContextManager[None]:
        """Lock one part of a list that several processes share. They take `lock` to write the
        project's tables. Raises UserError (exit 5) as `lock`."""
        return self._locked_by(f"shard-{number}-of-{count}.lock", 0)

    def tables(self, wait: float = TABLES_WAIT) -> AbstractContextManager[None]:
        """Lock the tables that people and commands change, while one is read, changed and written.

        These are videos.csv, phases.csv, subjects.csv, people.csv, annotations.csv and `aside`. A
        command that holds `lock` for hours takes this lock only for moments, so that people can
        label and mark clips meanwhile. It can be taken again inside. Raises UserError (exit 5) as
        `lock`.
        """
        return self._locked_by("tables.lock", wait, again=True)

    def studio_lock(self) -> AbstractContextManager[None]:
        """Lock the project for one studio; commands can run at the same time. Raises UserError
        (exit 5) as `lock`."""
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
        """Return a folder of the project, which need not exist. Raises UserError (exit 5) for a
        link out of the project, since a project from somebody else could link to any folder."""
        if names not in self._inside:
            path = self.root.joinpath(*names)
            if not real_path(path).is_relative_to(real_path(self.root)):
                raise _leads_out(path)
            self._inside[names] = path
        return self._inside[names]

    def _artifact(self, video: str, *folder: str) -> Path:
        """Return the file of a clip in a folder. Raises UserError (exit 5) for an invalid id."""
        try:
            check_id(video)
        except ValueError as error:
            raise Mismatch(str(error)) from error
        return self._folder(*folder) / f"{video}.safetensors"

    def pose_path(self, video: str) -> Path:
        return self._artifact(video, "poses")

    def partial_poses(self, video: str) -> Path:
        """Return the folder of the unfinished poses of a clip."""
        return self._folder("poses", "partial", self._artifact(video, "poses").stem)

    def heatmap_path(self, video: str) -> Path:
        return self._artifact(video, "heatmaps")

    def features_path(self, video: str) -> Path:
        """Return the file of the features of a clip's video frames."""
        return self._artifact(video, "features")

    def film_dir(self, video: str | None = None, version: str = "") -> Path:
        """Return the folder of the pictures of a clip for the studio, or of one version of them;
        None = of all clips."""
        below = [] if video is None else [self._artifact(video).stem]
        return self._folder("film", *below, *([version] if version else []))

    def run_dir(self, run: str) -> Path:
        """Return the checkpoint folder of a run. Raises UserError (exit 2) for an invalid name."""
        if not _RUN_NAME.fullmatch(run):
            raise UserError(
                f"'{run[:100]}' is not a run name",
                hint="use letters, digits, '.', '_' and '-', at most 100 of them",
            )
        return self._folder("checkpoints", run)

    def runs(self) -> list[str]:
        """Return the sorted names of the folders in checkpoints, without those that no run can
        have, such as `default copy`."""
        folders = [path.name for path in (self.root / "checkpoints").glob("*") if path.is_dir()]
        return sorted(filter(_RUN_NAME.fullmatch, folders))

    def embedding_path(self, run: str, video: str) -> Path:
        return self._artifact(video, "embeddings", self.run_dir(run).name)

    @property
    def store_name_path(self) -> Path:
        """The name of the project in the stores of `retrieve`."""
        return self.root / "store-name.txt"

    def results_dir(self, kind: str) -> Path:
        """Return the folder of the results of a step, such as `align`, or one below it, such as
        `export/trc`."""
        return self._folder("results", *kind.split("/"))

    def log_path(self, name: str) -> Path:
        """Return a file in logs/."""
        return self._folder("logs") / name

    @property
    def videos_path(self) -> Path:
        return self.root / "videos.csv"

    @property
    def phases_path(self) -> Path:
        return self.root / "phases.csv"

    @property
    def annotations_path(self) -> Path:
        """The annotations of the user; see core/annotations.py."""
        return self.root / "annotations.csv"

    def aside(self, name: str) -> Path:
        """Return a file in aside/, with the user's data of removed clips."""
        return self._folder("aside") / name

    @property
    def subjects_path(self) -> Path:
        return self.root / "subjects.csv"

    @property
    def people_path(self) -> Path:
        """The places of the people of films; see core/people_table.py."""
        return self.root / "people.csv"


def real_path(path: Path) -> Path:
    # Path.resolve raises RuntimeError for links in a circle; realpath leaves them as they are.
    return Path(os.path.realpath(path))


@cache
def _one_lock(path: Path, process: int) -> Any:
    """Return the lock of a file, one object per process, which the thread that holds it may take
    again. process: its number, since a fork needs a lock of its own."""
    return system_lock(path)


def _leads_out(path: Path) -> UserError:
    return Mismatch(
        f"{path} is a link to {real_path(path)}, outside the project",
        hint="replace it with a folder, or move the whole project to the other disk",
    )
