"""Training in several processes, as `torchrun` starts them.

Each process computes its share of every batch. Gradients are summed by the weights of the shares,
so that the update is that of the entire batch, unless the loss draws random numbers: each process
draws its own.

Only the first process locks the project, writes, validates and prints. All processes read the
project, so each of them must have access to its folder.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from la2ds_cli.core.errors import ExitCode, UserError

if TYPE_CHECKING:
    import torch

T = TypeVar("T")


class ReportedElsewhere(UserError):
    """A UserError that another process reports; this process exits silently with the same code."""


@dataclass(frozen=True)
class Processes:
    """The processes that train together. rank: number of this process among `count`; local_rank:
    its number among the `local_count` on this machine."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    local_count: int = 1

    @classmethod
    def from_environment(cls) -> Processes:
        """The processes as torchrun sets them in the environment; one process without torchrun."""
        names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
        if not all(name in os.environ for name in (*names, "MASTER_ADDR")):
            return cls()
        return cls(*(int(os.environ[name]) for name in names))

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.rank == 0

    @property
    def several(self) -> bool:
        return self.count > 1

    @property
    def share(self) -> slice:
        """The part of a batch that this process computes."""
        return slice(self.rank, None, self.count)

    def device(self, device: torch.device) -> torch.device:
        """The device of this process. On CUDA each of several processes has its own."""
        import torch

        if device.type != "cuda" or not self.several:
            return device
        return torch.device("cuda", self.local_rank)

    def broadcast(self, values: Sequence[float]) -> list[float]:
        """The values of the first process, in all processes."""
        if not self.several:
            return list(values)
        import torch

        shared = torch.tensor(values, dtype=torch.float64)
        torch.distributed.broadcast(shared, 0)
        return shared.tolist()

    def gather(self, texts: Sequence[str]) -> list[str]:
        """The texts of all processes."""
        if not self.several:
            return list(texts)
        import torch

        parts: list[list[str]] = [[] for _ in range(self.count)]
        torch.distributed.all_gather_object(parts, list(texts))
        return [text for part in parts for text in part]

    def call_in_all(self, action: Callable[[], T]) -> T:
        """Call `action` in every process.

        A UserError in any of them is raised in all, so that no process waits for one that has
        ended. The lowest rank with an error reports it.
        """
        result, error, text = None, None, ""
        try:
            result = action()
        except UserError as caught:
            error, text = caught, json.dumps([caught.message, caught.hint, caught.exit_code])
        problems = self.gather([text])
        reporter = next((rank for rank, problem in enumerate(problems) if problem), None)
        if reporter is None:
            return result  # type: ignore[return-value]  # action has returned it
        if error is not None and reporter == self.rank:
            raise error
        message, hint, code = json.loads(problems[reporter])
        raise ReportedElsewhere(message, hint=hint, exit_code=ExitCode(code))

    def report_once(self, error: UserError) -> UserError:
        """An error that all processes have raised, to be reported by the first one only."""
        if self.first:
            return error
        return ReportedElsewhere(error.message, hint=error.hint, exit_code=error.exit_code)

    def wait_for_all(self) -> None:
        """Wait until all processes have called this."""
        self.broadcast([0.0])

    def mean_gradients(
        self, parameters: Iterable[torch.Tensor], loss: torch.Tensor, weight: int
    ) -> torch.Tensor:
        """Replace this process's gradients by those of the mean loss of all processes, and return
        that loss.

        weight: of this process's loss in the mean. A single process keeps its gradients and its
        loss.
        """
        if not self.several:
            return loss
        import torch

        # Turn means into sums, because the shares of a batch have different numbers of terms.
        gradients = [p.grad for p in parameters if p.grad is not None]
        parts = [gradient.flatten() * weight for gradient in gradients]
        counted = torch.stack([loss * weight, loss.new_tensor(float(weight))])
        flat = torch.cat([*parts, counted.to(parts[0].dtype)])
        torch.distributed.all_reduce(flat)
        flat = flat / flat[-1]
        start = 0
        for gradient in gradients:
            gradient.copy_(flat[start : start + gradient.numel()].view_as(gradient))
            start += gradient.numel()
        return flat[-2]


@contextmanager
def process_group(processes: Processes, device: torch.device) -> Iterator[Processes]:
    """Connect the processes: gloo sends CPU tensors, NCCL sends CUDA gradients."""
    if not processes.several:
        yield processes
        return
    import torch

    # This module takes the default process group as a default argument. If it is imported while a
    # group exists (an optimizer's first step imports it), it keeps the group alive after its
    # destruction, whose threads abort the process if they still hold a tensor when Python exits.
    import torch.distributed.nn

    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    try:
        yield processes
    finally:
        torch.distributed.destroy_process_group()
