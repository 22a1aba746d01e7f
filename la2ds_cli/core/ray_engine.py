"""Work on the items of a step spread over a Ray cluster, by a pool of actors.

Every node must see the project's folder, and the videos, under the same paths. An actor writes the
same files for an item as a local run, atomically. Only the driver writes tables. A worker that dies
is replaced and another one repeats its item; if the driver dies, the finished items remain.
"""

from __future__ import annotations

import logging
import os
import pickle
import socket
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from la2ds_cli.core.device import DeviceName
from la2ds_cli.core.errors import Unavailable, UserError, first_line, optional_import, silent
from la2ds_models.startup import is_own_process, own_folder, own_process

Work = Callable[[Any], Any]
"""Makes the result of an item; both travel between machines."""

_TOLD = "RAY_BACKEND_LOG_LEVEL" in os.environ
_ATTEMPTS = 3  # at an item whose worker dies
_ANSWER_SECONDS = 10.0  # until the head takes a connection; Ray itself tries for minutes


def ray_map(
    worker: Callable[..., Work],
    arguments: Sequence[Any],
    items: Sequence[Any],
    device: DeviceName,
    without: str = "leave --engine ray out",
    lost: Callable[[Any, UserError], Any] | None = None,
) -> Iterator[Any]:
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
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if device != "cpu" else 0
    count = min(len(items), gpus or max(int(resources.get("CPU", 1)), 1))
    # Ray begins an actor that has died again, and so many times the item that it was at.
    actor = ray.remote(OwnActor).options(
        num_cpus=1, num_gpus=1 if gpus else 0, max_restarts=-1, max_task_retries=_ATTEMPTS - 1
    )
    pickled = ray.cloudpickle.dumps((worker, tuple(arguments)))
    idle = [actor.remote(pickled) for _ in range(count)]
    left = iter(enumerate(items))
    running: dict[Any, tuple[int, Any]] = {}
    made: dict[int, Any] = {}
    try:
        ray.get(idle[0].begun.remote())  # ends here where the nodes have no la2ds
        for following in range(len(items)):
            while following not in made:
                for index, item in islice(left, len(idle)):
                    one = idle.pop()
                    running[one.work.remote(item)] = index, one
                (done,), _ = ray.wait([*running])
                index, one = running.pop(done)
                idle.append(one)
                try:
                    made[index] = _result(*ray.get(done))
                except ray.exceptions.RayActorError:
                    made[index] = (lost or _raised)(items[index], _died())
            yield made.pop(following)
    except ray.exceptions.RayError as error:  # of Ray itself: an actor raises nothing
        raise Unavailable(
            f"the work over Ray has ended: {str(error).strip().rpartition(chr(10))[2][:300]}",
            hint="every node needs la2ds in this version; finished items are kept, and "
            "RAY_BACKEND_LOG_LEVEL=info shows what Ray says",
        ) from error


def _died() -> UserError:
    return Unavailable(
        f"a worker died at each of {_ATTEMPTS} attempts",
        hint="try it without --engine ray: it may need more memory, or crash a library",
        code="X001",
    )


class Actor:
    """An actor with its own worker, one item at a time. It raises nothing: of an actor that fails,
    Ray says much and the driver little."""

    def __init__(self, worker: Callable[..., Work], arguments: Sequence[Any]) -> None:
        try:
            self._work = worker(*arguments)
        except Exception as error:
            self._work = partial(_raised, error=error)

    def begun(self) -> None:
        """Nothing, once the actor is there."""

    def work(self, item: Any) -> tuple[Any, Exception | None]:
        """The result of an item, and what was raised instead."""
        try:
            return self._work(item), None
        except UserError as error:
            return None, error
        except Exception:
            return None, RuntimeError(f"in a worker of Ray:\n{traceback.format_exc()}")


class OwnActor(Actor):
    """An actor in a process that Ray has started for it, which is set up as that of a command."""

    def __init__(self, pickled: bytes) -> None:
        """pickled: the arguments of Actor. Reading them imports packages, so the process comes
        first; they were written by the driver of the same cluster."""
        own_process()
        super().__init__(*pickle.loads(pickled))


def _raised(item: Any, error: Exception) -> Any:
    raise error


def _result(result: Any, error: Exception | None) -> Any:
    if error is not None:
        raise error
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
        raise Unavailable(
            f"no Ray cluster answers at RAY_ADDRESS={address}: {first_line(error)}",
            hint="check the address, and the token of the cluster (RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN), or unset RAY_ADDRESS to use this machine",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray silent while a command starts it, unless the user has set how much it prints: each
    start tells of tokens and progress bars, and warns that restarts of its own actors may fail."""
    if _TOLD or not is_own_process():
        yield
        return
    os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
    with silent():
        yield
    logging.getLogger("ray").setLevel(logging.ERROR)


def _check_answer(address: str) -> None:
    """Raises OSError or ValueError if nothing listens at HOST:PORT, which `ray.init` tries for
    minutes. Other forms (`auto`, `ray://`, those of hosted clusters) are left to Ray."""
    parts = urlsplit("" if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), _ANSWER_SECONDS).close()


def _ray(without: str) -> Any:
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        # Ray sends a token only in this mode, which it reads when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    with optional_import(
        ["ray"],
        "--engine ray needs the package ray, which is not installed",
        f"pip install 'la2ds[ray]', or {without}",
        repair=f"pip install --force-reinstall 'la2ds[ray]', or {without}",
    ):
        import ray  # pyright: ignore[reportMissingImports]
    return ray
