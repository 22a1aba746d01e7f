"""Work on the items of a step spread over a Ray cluster, by a pool of actors.

Every node must see the project's folder, and the videos, under the same paths. An actor writes the
same files for an item as a local run, atomically. Only the driver writes tables. A worker that dies
is replaced and another one repeats its item; if the driver dies, the finished items remain. Items
and results travel as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import ExitCode, UserError, first_line, optional_import, silent
from la2ds_models.startup import own_folder

Item = Mapping[str, Any]
"""JSON values by name; floats keep their value, including NaN."""
Work = Callable[[Item], Item]

_TOLD = "RAY_BACKEND_LOG_LEVEL" in os.environ
_ATTEMPTS = 3  # at an item whose worker dies
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
    lost: Callable[[Item, UserError], Item] | None = None,
) -> Iterator[Item]:
    """Results of the items in order, each as soon as it and all before it are finished.

    worker: called with `arguments` once in each actor; it returns the function that processes an
    item. device: unless it is `cpu`, each actor gets a GPU, if the cluster has any. without: what
    to do instead, for the hint of the first error. lost: given an item whose worker has died each
    time, and what to say of it, makes its result. Joins the cluster of RAY_ADDRESS, or starts one
    on this machine. Raises UserError (exit 6) if Ray cannot be imported, its cluster does not
    answer or, without `lost`, an item is lost; and any UserError that an actor raises: it concerns
    the entire run.
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
    # Ray replaces a worker that dies and repeats its block, for ever where an item kills each of
    # them, such as a file that makes a library crash: so its attempts are counted.
    attempts = (
        ray.remote(Attempts).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()
    )
    # One item per block, so that only one item is repeated.
    finished = ray.data.from_items(rows, override_num_blocks=len(rows)).map(
        Actor,
        fn_constructor_args=(worker, tuple(arguments), partial(_begin, attempts)),
        compute=ray.data.ActorPoolStrategy(size=actors),
        num_cpus=1,
        num_gpus=1 if gpus else 0,
    )
    waiting: dict[int, Item] = {}
    following = 0
    try:
        _begin(attempts, -1)  # ends here where the nodes have no la2ds
        for row in finished.iter_rows():
            index = row["index"]
            told = _result(row)
            waiting[index] = (lost or _raised)(items[index], _died()) if told is None else told
            while following in waiting:
                yield waiting.pop(following)
                following += 1
    except ray.exceptions.RayError as error:  # of Ray itself: an actor raises nothing
        raise UserError(
            f"the work over Ray has ended: {str(error).strip().rpartition(chr(10))[2][:300]}",
            hint="every node needs la2ds in this version; finished items are kept, and "
            "RAY_BACKEND_LOG_LEVEL=info shows what Ray says",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


def _died() -> UserError:
    return UserError(
        f"a worker died at each of {_ATTEMPTS} attempts",
        hint="try it without --engine ray: it may need more memory, or crash a library",
        exit_code=ExitCode.ENVIRONMENT,
        code="X001",
    )


class Attempts:
    """An actor that counts for the others how often each item was begun."""

    def __init__(self) -> None:
        self._begun: Counter[int] = Counter()

    def begin(self, index: int) -> int:
        self._begun[index] += 1
        return self._begun[index]


def _begin(attempts: Any, index: int) -> int:
    """How often an item was begun, this time included. attempts: a handle of Attempts."""
    import ray  # pyright: ignore[reportMissingImports]

    return ray.get(attempts.begin.remote(index))


class Actor:
    """An actor with its own worker, one item at a time. Its input and output rows are dicts of
    plain values. It raises nothing: of an actor that fails, Ray says much and the driver little.

    begin: called with the index of an item when it is begun, says how often it was.
    """

    def __init__(
        self, worker: Callable[..., Work], arguments: Sequence[Any], begin: Callable[[int], int]
    ) -> None:
        self._begin = begin
        try:
            self._work = worker(*arguments)
        except Exception as error:
            self._work = partial(_raised, error=error)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        if self._begin(row["index"]) > _ATTEMPTS:
            return {"index": row["index"], "failed": False, "result": "null"}
        try:
            result, failed = self._work(json.loads(row["item"])), False
        except UserError as error:
            told = {"message": error.message, "hint": error.hint, "code": error.code}
            result, failed = told | {"exit_code": int(error.exit_code)}, True
        except Exception:
            result, failed = {"bug": traceback.format_exc()}, True
        return {"index": row["index"], "failed": failed, "result": json.dumps(result)}


def _raised(item: Item, error: Exception) -> Item:
    raise error


def _result(row: Mapping[str, Any]) -> Item | None:
    """What an actor has returned, None if the item is lost. Raises what it has raised."""
    result = json.loads(row["result"])
    if row["failed"]:
        if "bug" in result:
            raise RuntimeError(f"in a worker of Ray:\n{result['bug']}")
        error_code = ExitCode(result.pop("exit_code"))
        raise UserError(result.pop("message"), exit_code=error_code, **result)
    return result


def _connect(ray: Any) -> None:
    """Join the cluster of RAY_ADDRESS, or start one on this machine.

    Raises UserError (exit 6) if the cluster does not answer.
    """
    address = os.environ.get("RAY_ADDRESS")
    if address is None:
        with own_folder(), _quiet():  # where its workers start, too, and import modules from
            ray.init("local", log_to_driver=_TOLD, include_dashboard=False)
        return
    try:
        _check_answer(address)
        with own_folder(), _quiet():
            ray.init(address, log_to_driver=_TOLD)
    except (OSError, RuntimeError, ValueError) as error:
        raise UserError(
            f"no Ray cluster answers at RAY_ADDRESS={address}: {first_line(error)}",
            hint="check the address, and the token of the cluster (RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN), or unset RAY_ADDRESS to use this machine",
            exit_code=ExitCode.ENVIRONMENT,
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Around the start of Ray, unless the user has said how much it is to say: each start tells of
    tokens and progress bars, and warns that restarts of its own actors may fail."""
    if _TOLD:
        yield
        return
    os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
    with silent():
        yield
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)


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
