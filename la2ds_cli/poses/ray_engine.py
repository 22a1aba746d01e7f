"""Extraction spread over a Ray cluster: a pool of actors, each with its own networks.

Every node must see the project's folder and the videos under the same paths. An actor writes the
poses of a clip as a local run does: atomically, and byte for byte the same. Only the driver writes
tables. A worker that dies is replaced and its clip is processed by another one; if the driver dies,
the finished clips remain.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from la2ds_cli.core.batch import ItemResult
from la2ds_cli.core.clip import ClipOptions
from la2ds_cli.core.config_sections import PosesConfig
from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.optional_package import optional_import, reason
from la2ds_cli.core.progress import Progress
from la2ds_cli.core.project import Project
from la2ds_cli.poses.extraction import ClipOutcome, Extraction
from la2ds_cli.poses.sources import ClipSource
from la2ds_cli.video.reader import VideoInfo

_ALTERNATIVE = ", or use --shard I/N in as many jobs"
_ARROW_FOR_NUMPY_2 = 26  # the first pyarrow that cannot be imported beside numpy 1
_ANSWER_SECONDS = 10.0  # time limit for an answer of the head; Ray itself tries for minutes
# The greeting of an HTTP/2 client with empty settings, to which a gRPC server answers in kind.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4  # type of the frame that every HTTP/2 server sends first


def ray_outcomes(run: Extraction, sources: list[ClipSource]) -> Iterator[ClipOutcome]:
    """Outcomes of the sources in their order, each as soon as it and all before it are finished.

    Joins the cluster of RAY_ADDRESS, or starts one on this machine. Raises UserError (exit 6) if
    Ray cannot be imported or its cluster does not answer, and any UserError of an actor that
    concerns the entire run.
    """
    ray = _ray()
    if not ray.is_initialized():
        _connect(ray)
    rows = [{"index": index, **_to_row(source)} for index, source in enumerate(sources)]
    gpus = int(ray.cluster_resources().get("GPU", 0)) if run.device != "cpu" else 0
    actors = min(len(rows), gpus or max(int(ray.cluster_resources().get("CPU", 1)), 1))
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # One clip per block: if a worker dies, Ray starts another one and repeats the block, as often
    # as needed, so that only one clip is repeated.
    finished = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        ClipWorker,
        fn_constructor_args=(str(run.project.root), run.config, run.device, run.overwrite),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
    )
    waiting: dict[int, ClipOutcome] = {}
    following = 0
    for row in finished.iter_rows():
        waiting[row["index"]] = _to_outcome(row)
        while following in waiting:
            outcome = waiting.pop(following)
            run.progress.advance(2 * outcome.result.frames)
            yield outcome
            following += 1


def _connect(ray: Any) -> None:
    """Join the cluster of RAY_ADDRESS, or start one on this machine.

    Raises UserError (exit 6) if the cluster does not answer.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        ray.init("local", log_to_driver=False, include_dashboard=False)
        return
    try:
        _check_answer(address)
        ray.init(address)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no Ray cluster answers at RAY_ADDRESS={address}: {reason(error)}",
            hint="check the address and the token, or unset RAY_ADDRESS to use this machine",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def _check_answer(address: str) -> None:
    """Raises OSError or ValueError if no server that could be Ray listens at HOST:PORT.

    `ray.init` tries a wrong address for minutes and has no time limit. An open port is not enough:
    that of the dashboard is open as well. Other forms (`auto`, `ray://`, those of hosted clusters)
    are left to Ray.
    """
    if "://" in address or ":" not in address:
        return
    parts = urlsplit(f"//{address}")
    if not parts.hostname or not parts.port:
        return
    with socket.create_connection((parts.hostname, parts.port), _ANSWER_SECONDS) as connection:
        if os.environ.get("RAY_USE_TLS", "0") != "0":
            return  # with TLS it does not answer an unencrypted greeting
        connection.sendall(_GREETING)
        with connection.makefile("rb") as answer:
            head = answer.read(9)
        if len(head) < 9 or head[3] != _SETTINGS:
            raise OSError("the server at that address is not the head of a Ray cluster")


def _ray() -> Any:
    with optional_import(
        ["ray"],
        "--engine ray needs the package ray, which is not installed",
        f"pip install 'la2ds[ray]'{_ALTERNATIVE}",
        repair=_repair(),
    ):
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data  # pyright: ignore[reportMissingImports]
    return ray


def _repair() -> str:
    """The hint for a Ray that is installed and cannot be imported."""
    # pyarrow, which ray.data imports, asks for numpy 2 without declaring it, so that installers put
    # a new one beside the numpy 1 of the extra mmpose.
    numpy, arrow = _major("numpy"), _major("pyarrow")
    if numpy < 2 and arrow >= _ARROW_FOR_NUMPY_2:
        return (
            f"pip install 'pyarrow<{_ARROW_FOR_NUMPY_2}', as pyarrow {arrow} does not work with "
            f"the numpy {numpy} that mmpose needs{_ALTERNATIVE}"
        )
    return f"pip install --force-reinstall 'la2ds[ray]'{_ALTERNATIVE}"


def _major(package: str) -> int:
    try:
        return int(metadata.version(package).split(".")[0])
    except metadata.PackageNotFoundError:
        return 0


class ClipWorker:
    """An actor with its own networks, one clip at a time. Its input and output rows are dicts."""

    def __init__(self, root: str, config: PosesConfig, device: DeviceName, overwrite: bool) -> None:
        project = Project.open(Path(root))
        self.run = Extraction(project, config, device, Progress(), overwrite, workers=1)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        source = _to_source(row)
        try:
            with self.run.networks([source]):
                outcome = self.run.attempt(source)
        except UserError as error:
            return {
                "index": row["index"],
                "error": error.message,
                "hint": error.hint,
                "exit_code": int(error.exit_code),
            }
        result = outcome.result.to_json()
        counts = {"persons": outcome.persons, "seconds": outcome.seconds}
        return {"index": row["index"], **result, **counts}


def _to_row(source: ClipSource) -> dict[str, Any]:
    return {
        "name": source.name,
        "path": str(source.path),
        "digest": source.digest,
        "options": source.options.to_text(),
        "subject": source.subject,
        **{f"video_{name}": value for name, value in vars(source.info).items()},
    }


def _to_source(row: dict[str, Any]) -> ClipSource:
    info = {name[6:]: value for name, value in row.items() if name.startswith("video_")}
    return ClipSource(
        name=row["name"],
        path=Path(row["path"]),
        info=VideoInfo(**info),
        digest=row["digest"],
        options=ClipOptions.from_text(row["options"]),
        subject=row["subject"],
    )


def _to_outcome(row: dict[str, Any]) -> ClipOutcome:
    if row.get("error") is not None:
        raise UserError(row["error"], hint=row["hint"], exit_code=ExitCode(row["exit_code"]))
    fields = {name: row[name] for name in ItemResult("", "", "ok").to_json()}
    return ClipOutcome(ItemResult(**fields), row["persons"], row["seconds"])
