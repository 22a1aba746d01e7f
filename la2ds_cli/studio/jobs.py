"""Long work of the studio: jobs in child processes, one at a time, with their progress.

A job is a la2ds command, with the same locks as on the command line. It reports its progress with
`console.EventProgress`. Cancelling works like Ctrl-C: finished work is kept, and the same job
resumes from there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import traceback
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Literal

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_models.startup import FOLDER, python

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDED: tuple[State, ...] = ("done", "failed", "cancelled")
KEPT = 50  # ended jobs
NOTES = 200  # lines of one job
PATIENCE = 15.0  # seconds between asking a job to stop and killing its process
LONGEST_LINE = 1 << 20  # bytes of one event
# A studio that a script starts with & ignores SIGINT, and its children would inherit that.
HEARS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
COMMAND = python("-c", f"{HEARS}; from la2ds_cli.main import main; main()")


Follow = Callable[["Job"], None]


@dataclass
class Job:
    """A la2ds command in the queue.

    title: what it does, in words.
    arguments: of the command `la2ds`.
    about: data that its page needs later.
    on_start: called in a thread just before the command; if it raises UserError, the job fails
        without running the command.
    on_success: called in a thread after the command has succeeded; if it raises UserError, the job
        fails.
    share: progress of the current task, 0 to 1, None if its length is unknown.
    items: finished items of a batch, as in `--json`.
    result: the JSON document of the command.
    """

    number: int
    title: str
    arguments: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    on_start: Follow | None = None
    on_success: Follow | None = None
    state: State = "waiting"
    task: str = ""
    share: float | None = None
    notes: list[str] = field(default_factory=list)
    output: list[str] = field(default_factory=list)
    error: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    result: dict[str, Any] | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    process: asyncio.subprocess.Process | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "number": self.number,
            "title": self.title,
            "about": dict(self.about),
            "state": self.state,
            "task": self.task,
            "share": self.share,
            "notes": self.notes[-20:],
            "error": self.error,
            "items": self.items,
            "result": self.result if self.state in ENDED else None,
        }


class Jobs:
    """The queue of jobs. Use it in one event loop; `run` works until it is cancelled."""

    def __init__(self) -> None:
        self.jobs: dict[int, Job] = {}
        self._numbers = count(1)
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._listeners: set[asyncio.Queue[Job]] = set()

    def add(
        self,
        title: str,
        arguments: Sequence[str],
        *,
        about: Mapping[str, Any] | None = None,
        on_start: Follow | None = None,
        on_success: Follow | None = None,
    ) -> Job:
        """Add a la2ds command to the queue; for the parameters, see Job."""
        number = next(self._numbers)
        job = Job(number, title, tuple(arguments), about or {}, on_start, on_success)
        self.jobs[job.number] = job
        for old in [j.number for j in self.jobs.values() if j.state in ENDED][:-KEPT]:
            del self.jobs[old]
        self._queue.put_nowait(job)
        self._changed(job)
        return job

    def under_way(self, kind: str) -> Job | None:
        """Return the waiting or running job whose `about` has this kind, or None."""
        mine = (job for job in self.jobs.values() if job.about.get("kind") == kind)
        return next((job for job in mine if job.state not in ENDED), None)

    async def run(self) -> None:
        """Run one job after another; when cancelled, cancel all jobs."""
        try:
            while True:
                # In a task of its own: an `on_success` that has begun must not be interrupted.
                work = asyncio.create_task(self._work(await self._queue.get()))
                await asyncio.shield(work)
        finally:
            for job in list(self.jobs.values()):
                await self.cancel(job)

    async def _work(self, job: Job) -> None:
        """Run a job, including its callbacks."""
        if job.state != "waiting":  # cancelled before its turn
            return
        state: State = "cancelled"
        begun = False
        try:
            begun = await self._start(job)
            state = await self._do(job) if begun else "failed"
        except (OSError, ValueError) as error:  # no process, or an endless line
            state = "failed"
            job.error = f"lost contact with the command: {error}"
        except Exception as error:  # in `on_success`: the queue must go on
            traceback.print_exc()
            state = "failed"
            job.error = f"unexpected error: {type(error).__name__}: {error}"
        finally:
            if job.state in ENDED and state != "done":  # cancelled before on_success was done
                state = job.state
            job.state = state
            self._end(job)

    async def cancel(self, job: Job) -> None:
        """Stop a job and wait for its end; what it has written stays. A job whose command has
        succeeded ends as done after its `on_success`."""
        if job.state == "waiting":
            job.state = "cancelled"
            self._end(job)
        elif job.state == "running":
            job.state = "cancelled"
            if job.process is not None:
                await _stopped(job.process)
            await job.ended.wait()

    async def events(self) -> AsyncIterator[Job]:
        """Yield all current jobs, then each job whenever it changes."""
        queue: asyncio.Queue[Job] = asyncio.Queue()
        self._listeners.add(queue)
        try:
            for job in list(self.jobs.values()):
                yield job
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)

    def _changed(self, job: Job) -> None:
        for queue in self._listeners:
            queue.put_nowait(job)

    def _end(self, job: Job) -> None:
        job.task, job.share, job.process = "", None, None
        job.on_start = job.on_success = None  # to free what they refer to
        job.ended.set()
        self._changed(job)

    async def _start(self, job: Job) -> bool:
        """Call `on_start` of a job; return whether its command may run."""
        job.state = "running"
        self._changed(job)
        try:
            if job.on_start is not None:
                await asyncio.to_thread(job.on_start, job)
        except UserError as error:
            job.error = with_hint(error.message, error.hint)
            return False
        return job.state == "running"  # not cancelled meanwhile

    async def _do(self, job: Job) -> State:
        """Run the command of a job and its `on_success`; return the final state."""
        command, *arguments = job.arguments
        process = await asyncio.create_subprocess_exec(
            *(*COMMAND, command, "--json", *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"LA2DS_PROGRESS": "json"},
            cwd=FOLDER,
            limit=LONGEST_LINE,
            process_group=0,  # Ctrl-C in the terminal reaches only the studio; it stops its child
        )
        job.process = process
        if job.state != "running":  # cancelled while it was being started
            await _stopped(process)
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            document, _ = await asyncio.gather(
                process.stdout.read(), self._listen(job, process.stderr)
            )
            code = await process.wait()
        finally:
            if process.returncode is None:
                await _stopped(process)
        with suppress(ValueError):  # it failed before it wrote a document
            job.result = json.loads(document)
        if job.state != "running":
            return job.state
        if code not in (ExitCode.OK, ExitCode.PARTIAL):
            job.error = job.error or _why(job, code)
            return "failed"
        try:
            if job.on_success is not None:
                await asyncio.to_thread(job.on_success, job)
        except UserError as error:
            job.error = with_hint(error.message, error.hint)
            return "failed"
        return "done"

    async def _listen(self, job: Job, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if not isinstance(event, dict):  # from a library, or a traceback
                job.output = [*job.output, line.decode("utf-8", "replace").rstrip()][-NOTES:]
                continue
            job.task = str(event.get("task", job.task))
            job.share = event.get("share", job.share)
            if "error" in event:
                job.error = with_hint(event["error"], event.get("hint", ""))
            if isinstance(event.get("item"), dict):
                job.items.append(event["item"])
            if "note" in event:
                job.notes = [*job.notes, str(event["note"])][-NOTES:]
            self._changed(job)


def with_hint(message: str, hint: str) -> str:
    """Return an error and its hint on one line."""
    return "; ".join(filter(None, (message, hint)))


def _why(job: Job, code: int) -> str:
    """Return why a command failed that reported no error: the message of an item, or its last
    lines of output."""
    items = (job.result or {}).get("items") or []
    for item in items:
        if item.get("message"):
            return with_hint(item["message"], item.get("hint", ""))
    return f"la2ds ended with exit code {code}: {' '.join(job.output[-3:])}"


async def _stopped(process: asyncio.subprocess.Process) -> None:
    """Stop a process as Ctrl-C does, and kill it if that takes too long."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
        try:
            await asyncio.wait_for(process.wait(), PATIENCE)
        except TimeoutError:
            process.kill()
            await process.wait()
