"""Spread the items of a step over a Ray cluster, by a pool of actors.

Every node must see the project's folder, and the videos, under the same paths. An actor writes the
same files for an item as a local run, atomically. Only the driver writes tables. A worker that dies
is replaced and its item repeated; if the driver dies, the finished items remain.
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
"""Makes the result of an item; both are pickled and sent between machines."""

_HAS_LOG_LEVEL = "RAY_BACKEND_LOG_LEVEL" in os.environ
_ATTEMPTS = 3  # for an item whose worker dies
_ANSWER_SECONDS = 10.0  # to connect to the head; Ray itself tries for minutes


def ray_map(
    worker: Callable[..., Work],
    arguments: Sequence[Any],
    items: Sequence[Any],
    device: DeviceName,
    without: str = "leave --engine ray out",
    lost: Callable[[Any, UserError], Any] | None = None,
) -> Iterator[Any]:
    """Yield the results of the items in order, each as soon as it and all before it are finished.

    Joins the cluster of RAY_ADDRESS, or starts one on this machine.

    Parameters
    ----------
    worker
        Called with `arguments` once in each actor; returns the function that processes an item.
    arguments, items
        Must be picklable.
    device
        Unless it is `cpu`, each actor gets a GPU, if the cluster has any.
    without
        How to run without Ray, for hints.
    lost
        Makes the result of an item whose worker died each time, from the item and the error; None =
        the error is raised.

    Raises
    ------
    UserError
        Exit 6 if Ray cannot be imported, its cluster does not answer or an item is lost; and any
        UserError of an actor, which concerns the entire run.
    """
    if not items:
        return
    ray = _ray(without)
    if not ray.is_initialized():
        _connect(ray)
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0)) if device != "cpu" else 0
    count = min(len(items), gpus or max(int(resources.get("CPU", 1)), 1))
    # Ray restarts an actor that died, and repeats its item up to this many times.
    remote = ray.remote(OwnActor).options(
        num_cpus=1, num_gpus=1 if gpus else 0, max_restarts=-1, max_task_retries=_ATTEMPTS - 1
    )
    pickled = ray.cloudpickle.dumps((worker, tuple(arguments)))
    idle = [remote.remote(pickled) for _ in range(count)]
    left = iter(enumerate(items))
    running: dict[Any, tuple[int, Any]] = {}
    made: dict[int, Any] = {}
    try:
        ray.get(idle[0].begun.remote())  # fails if the nodes have no la2ds
        for following in range(len(items)):
            while following not in made:
                for index, item in islice(left, len(idle)):
                    actor = idle.pop()
                    running[actor.work.remote(item)] = index, actor
                (done,), _ = ray.wait([*running])
                index, actor = running.pop(done)
                idle.append(actor)
                try:
                    made[index] = _result(*ray.get(done))
                except ray.exceptions.RayActorError:
                    made[index] = (lost or _raised)(items[index], _died())
            yield made.pop(following)
    except ray.exceptions.RayError as error:  # an error of Ray itself: actors raise nothing
        raise Unavailable(
            f"the work on Ray failed: {str(error).strip().rpartition(chr(10))[2][:300]}",
            hint="every node needs la2ds in this version; finished items are kept, and "
            "RAY_BACKEND_LOG_LEVEL=info shows the messages of Ray",
        ) from error


def _died() -> UserError:
    return Unavailable(
        f"a worker died at each of {_ATTEMPTS} attempts",
        hint="try it without --engine ray: it may need more memory, or crash a library",
        code="X001",
    )


class Actor:
    """An actor with its own worker, which processes one item at a time.

    It returns exceptions instead of raising them, since Ray prints much about an actor that fails
    and the driver learns little.
    """

    def __init__(self, worker: Callable[..., Work], arguments: Sequence[Any]) -> None:
        try:
            self._work = worker(*arguments)
        except Exception as error:
            self._work = partial(_raised, error=error)

    def begun(self) -> None:
        """Return when the actor has started."""

    def work(self, item: Any) -> tuple[Any, Exception | None]:
        """Return the result of an item, and the exception that was raised instead."""
        try:
            return self._work(item), None
        except UserError as error:
            return None, error
        except Exception:
            return None, RuntimeError(f"in a worker of Ray:\n{traceback.format_exc()}")


class OwnActor(Actor):
    """An actor in a process started by Ray, which is set up like the process of a command."""

    def __init__(self, pickled: bytes) -> None:
        """pickled: the arguments of Actor, written by the driver of the same cluster. Reading them
        imports packages, so the process is set up first."""
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
        with own_folder(), _quiet():  # the workers start in this folder, too, and import from it
            ray.init("local", log_to_driver=_HAS_LOG_LEVEL, include_dashboard=False)
        return
    try:
        _check_answer(address)
        with own_folder(), _quiet():
            ray.init(address, log_to_driver=_HAS_LOG_LEVEL)
    except (OSError, RuntimeError, ValueError) as error:
        raise Unavailable(
            f"no Ray cluster answers at RAY_ADDRESS={address}: {first_line(error)}",
            hint="check the address, and the token of the cluster (RAY_AUTH_MODE=token and "
            "RAY_AUTH_TOKEN), or unset RAY_ADDRESS to use this machine",
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray silent while a command starts it, unless the user has set a log level.

    Otherwise each start prints lines about tokens and progress bars, and a warning that restarts of
    its own actors may fail.
    """
    if _HAS_LOG_LEVEL or not is_own_process():
        yield
        return
    os.environ["RAY_BACKEND_LOG_LEVEL"] = "fatal"
    with silent():
        yield
    logging.getLogger("ray").setLevel(logging.ERROR)


def _check_answer(address: str) -> None:
    """Raise OSError or ValueError if nothing listens at HOST:PORT, since `ray.init` tries for
    minutes. Other forms (`auto`, `ray://`, addresses of hosted clusters) are left to Ray."""
    parts = urlsplit("" if "://" in address else f"//{address}")
    if parts.hostname and parts.port:
        socket.create_connection((parts.hostname, parts.port), _ANSWER_SECONDS).close()


def _ray(without: str) -> Any:
    if any(name in os.environ for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")):
        # Ray sends a token only in this mode, and reads the mode when it is imported.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
    with optional_import(
        ["ray"],
        "--engine ray needs the package ray, which is not installed",
        f"pip install 'la2ds[ray]', or {without}",
        repair=f"pip install --force-reinstall 'la2ds[ray]', or {without}",
    ):
        import ray  # pyright: ignore[reportMissingImports]
    return ray
