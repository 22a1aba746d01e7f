"""Work on the items of a step spread over a Ray cluster, by a pool of actors.

Every node must see the project's folder, and the videos, under the same paths. An actor writes the
same files for an item as a local run, atomically. Only the driver writes tables. A worker that dies
is replaced and another one repeats its item; if the driver dies, the finished items remain. Items
and results travel as JSON.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError, first_line, optional_import
from la2ds_models.startup import own_folder

Item = Mapping[str, Any]
"""JSON values by name; floats keep their value, including NaN."""
Work = Callable[[Item], Item]

_ANSWER_SECONDS = 10.0  # time limit for an answer of the head; Ray itself tries for minutes
# The greeting of an HTTP/2 client with empty settings, to which a gRPC server answers in kind.
_GREETING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
_SETTINGS = 4  # type of the frame that every HTTP/2 server sends first


def ray_map(
    worker: Callable[..., Work],
    arguments: Sequence[Any],
    items: Sequence[Item],
    device: DeviceName,
    without: str = "leave --engine ray out",
) -> Iterator[Item]:
    """Results of the items in order, each as soon as it and all before it are finished.

    worker: called with `arguments` once in each actor; it returns the function that processes an
    item. device: unless it is `cpu`, each actor gets a GPU, if the cluster has any. without: what
    to do instead, for the hint of the first error. Joins the cluster of RAY_ADDRESS, or starts one
    on this machine. Raises UserError (exit 6) if Ray cannot be imported or its cluster does not
    answer, and any UserError that an actor raises: it concerns the entire run.
    """
    if not items:
        return
    ray = _ray(without)
    if not ray.is_initialized():
        _connect(ray)
    rows = [{"index": index, "item": json.dumps(item)} for index, item in enumerate(items)]
    gpus = int(ray.cluster_resources().get("GPU", 0)) if device != "cpu" else 0
    actors = min(len(rows), gpus or max(int(ray.cluster_resources().get("CPU", 1)), 1))
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    # One item per block: if a worker dies, Ray starts another one and repeats the block, as often
    # as needed, so that only one item is repeated.
    finished = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Actor,
        fn_constructor_args=(worker, tuple(arguments)),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
    )
    waiting: dict[int, Item] = {}
    following = 0
    for row in finished.iter_rows():
        waiting[row["index"]] = _result(row)
        while following in waiting:
            yield waiting.pop(following)
            following += 1


class Actor:
    """An actor with its own worker, one item at a time. Its input and output rows are dicts of
    plain values."""

    def __init__(self, worker: Callable[..., Work], arguments: Sequence[Any]) -> None:
        self._work = worker(*arguments)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        try:
            result, failed = self._work(json.loads(row["item"])), False
        except UserError as error:
            told = {"message": error.message, "hint": error.hint, "code": error.code}
            result, failed = told | {"exit_code": int(error.exit_code)}, True
        return {"index": row["index"], "failed": failed, "result": json.dumps(result)}


def _result(row: Mapping[str, Any]) -> Item:
    result = json.loads(row["result"])
    if row["failed"]:
        error_code = ExitCode(result.pop("exit_code"))
        raise UserError(result.pop("message"), exit_code=error_code, **result)
    return result


def _connect(ray: Any) -> None:
    """Join the cluster of RAY_ADDRESS, or start one on this machine.

    Raises UserError (exit 6) if the cluster does not answer.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        with own_folder():  # where its workers start, too, and import modules from
            ray.init("local", log_to_driver=False, include_dashboard=False)
        return
    try:
        _check_answer(address)
        with own_folder():
            ray.init(address)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no Ray cluster answers at RAY_ADDRESS={address}: {first_line(error)}",
            hint="check the address, and the token of the cluster (RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN), or unset RAY_ADDRESS to use this machine",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def _check_answer(address: str) -> None:
    """Raises OSError or ValueError if no server that could be Ray listens at HOST:PORT.

    `ray.init` tries a wrong address for minutes and has no time limit. An open port is not enough,
    since the port of the dashboard is open as well. Other forms (`auto`, `ray://`, those of hosted
    clusters) are left to Ray.
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


def _ray(without: str) -> Any:
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        # Ray sends a token only in this mode, which it reads when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    with optional_import(
        ["ray"],
        "--engine ray needs the package ray, which is not installed",
        f"pip install 'la2ds[ray]', or {without}",
        # pyarrow, which ray.data imports, asks for numpy 2 without declaring it, so that installers
        # put a new one beside the numpy 1 of the extra mmpose.
        repair="pip install 'pyarrow<26' beside a numpy older than 2, else "
        f"pip install --force-reinstall 'la2ds[ray]', or {without}",
    ):
        import ray  # pyright: ignore[reportMissingImports]
        import ray.data  # pyright: ignore[reportMissingImports]
    return ray
