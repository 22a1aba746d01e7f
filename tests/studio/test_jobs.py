"""The queue of work, with small programs in place of la2ds."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from la2ds_cli.core.errors import UserError
from la2ds_cli.studio import jobs
from la2ds_cli.studio.jobs import Job, Jobs

COMMAND = jobs.COMMAND  # before the tests replace it
# What a job runs here: `arguments` is the text of a program, to which `--json` is added. `tell`
# writes an event as EventProgress does.
HEAD = """
import json, os, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # as HEARS
def tell(**event):
    print(json.dumps(event), file=sys.stderr, flush=True)
"""


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = f"import sys\nexec({HEAD!r} + sys.argv[1])"
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, "-c", runner))


def worked(with_jobs: Callable[[Jobs], Awaitable[Any]]) -> Any:
    """Let a queue work while `with_jobs` uses it."""

    async def run() -> Any:
        queue = Jobs()
        work = asyncio.create_task(queue.run())
        try:
            return await asyncio.wait_for(with_jobs(queue), 30)
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    # In a thread of its own: in that of the tests, a browser may have a loop that runs.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, run()).result()


def done(text: str, **more: Any) -> Job:
    """A job of this program when it is over."""

    async def one(queue: Jobs) -> Job:
        job = queue.add("work", [text], **more)
        await job.ended.wait()
        return job

    return worked(one)


async def reached(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def test_a_job_is_done_with_its_document_its_notes_and_its_items():
    job = done(
        "tell(task='clips', share=0); tell(note='a note'); tell(item={'path': 'a.mp4'});"
        "print('not an event', file=sys.stderr); print('{\"command\": \"x\"}')"
    )
    assert job.state == "done"
    assert job.result == {"command": "x"}
    assert job.notes == ["a note"]
    assert job.items == [{"path": "a.mp4"}]
    assert (job.task, job.share, job.process, job.error) == ("", None, None, "")
    assert job.said == ["not an event"]


def test_progress_reaches_who_listens_while_the_job_runs():
    async def listened(queue: Jobs) -> list[Any]:
        heard: list[Any] = []
        job = queue.add("work", ["tell(task='clips', share=0.0); tell(share=0.5); time.sleep(0.2)"])

        async def listen() -> None:
            async for changed in queue.events():
                heard.append((changed.state, changed.task, changed.share))

        listener = asyncio.create_task(listen())
        await job.ended.wait()
        await reached(lambda: heard[-1][0] == "done")
        listener.cancel()
        return heard

    heard = worked(listened)
    assert heard[0][0] in ("waiting", "running")
    assert ("running", "clips", 0.5) in heard
    assert heard[-1] == ("done", "", None)


ITEM = {"path": "x.mp4", "status": "skipped", "message": "no person found", "hint": "film on"}


@pytest.mark.parametrize(
    ("text", "state", "said"),
    [
        ("tell(error='no file: x', hint='check its name'); sys.exit(3)",
         "failed", "no file: x; check its name"),
        (f"print(json.dumps({{'items': [{ITEM!r}]}})); sys.exit(4)",
         "failed", "no person found; film on"),
        ("raise RuntimeError('a fault of la2ds')",
         "failed", "la2ds ended with exit code 1: .*RuntimeError: a fault of la2ds"),
        ("sys.exit(8)", "done", ""),  # usable in part
    ],
)  # fmt: skip
def test_how_a_job_ends_and_why(text: str, state: str, said: str):
    job = done(text)
    assert job.state == state
    assert re.match(f"{said}$", job.error)


def test_a_job_that_waits_is_cancelled_without_a_process(tmp_path: Path):
    trace = tmp_path / "trace"

    async def two(queue: Jobs) -> tuple[Job, Job]:
        first = queue.add("first", ["time.sleep(0.3)"])
        second = queue.add("second", [f"open({str(trace)!r}, 'w')"])
        await reached(lambda: first.state == "running")
        await queue.cancel(second)
        assert second.state == "cancelled"
        await first.ended.wait()
        third = queue.add("third", ["pass"])
        await third.ended.wait()
        return first, third

    first, third = worked(two)
    assert (first.state, third.state) == ("done", "done")
    assert not trace.exists()


def test_a_running_job_is_stopped_as_by_ctrl_c(tmp_path: Path):
    trace = tmp_path / "trace"
    text = (
        f"try:\n    tell(task='clips', share=0)\n    time.sleep(60)\n"
        f"except KeyboardInterrupt:\n    open({str(trace)!r}, 'w').close()\n    sys.exit(130)\n"
    )

    async def stopped(queue: Jobs) -> Job:
        job = queue.add("work", [text])
        await reached(lambda: job.task == "clips")
        await queue.cancel(job)
        return job

    job = worked(stopped)
    assert job.state == "cancelled"
    assert job.error == ""
    assert trace.exists()


def test_the_command_hears_ctrl_c_where_the_studio_does_not(monkeypatch: pytest.MonkeyPatch):
    ready = (
        "import json, sys, time; print(json.dumps({'task': 'ready'}), file=sys.stderr, flush=True)"
    )
    hears = f"{jobs.HEARS}; {ready}; time.sleep(60)"
    assert jobs.HEARS in COMMAND[-1]
    monkeypatch.setattr(jobs, "COMMAND", (sys.executable, "-c", hears))
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)

    async def stopped(queue: Jobs) -> Job:
        job = queue.add("work", [""])
        await reached(lambda: job.task == "ready")
        begun = time.monotonic()
        await queue.cancel(job)
        assert time.monotonic() - begun < jobs.PATIENCE / 2
        return job

    try:
        assert worked(stopped).state == "cancelled"
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_job_that_does_not_listen_is_ended_by_force(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "PATIENCE", 0.2)
    text = "signal.signal(signal.SIGINT, signal.SIG_IGN); tell(task='deaf'); time.sleep(60)"

    async def stopped(queue: Jobs) -> Job:
        job = queue.add("work", [text])
        await reached(lambda: job.task == "deaf")
        await queue.cancel(job)
        return job

    assert worked(stopped).state == "cancelled"


@pytest.mark.parametrize("ends", ["done", "failed", "cancelled", "with the studio"])
def test_a_job_that_has_begun_and_fails_is_undone(ends: str):
    called: list[str] = []

    def undo(job: Job) -> None:
        called.append(job.title)

    async def two(queue: Jobs) -> None:
        text = {"done": "pass", "failed": "sys.exit(3)"}.get(ends, "time.sleep(60)")
        first = queue.add("first", [text], on_failure=undo)
        second = queue.add("second", ["pass"], on_failure=undo)
        await reached(lambda: first.state == "running")
        if ends == "cancelled":
            await queue.cancel(second)
            assert second.ended.is_set()
            await queue.cancel(first)
        elif ends != "with the studio":
            await second.ended.wait()

    worked(two)
    assert called == ([] if ends == "done" else ["first"])


def test_what_follows_may_fail():
    def on_success(_: Job) -> None:
        raise UserError("the project is locked", hint="wait")

    job = done("pass", on_success=on_success)
    assert (job.state, job.error) == ("failed", "the project is locked; wait")


@pytest.mark.parametrize("by", ["cancel", "the end of the studio"])
def test_a_job_that_has_replaced_something_is_not_undone_by_cancelling_it(by: str):
    """Cancelled while `on_success` works, which cannot be stopped: it is done, not half undone."""
    called: list[str] = []
    begun, go_on = Event(), Event()

    def on_success(_: Job) -> None:
        begun.set()
        go_on.wait(10)
        called.append("done")

    async def one(queue: Jobs) -> Job:
        job = queue.add(
            "work", ["pass"], on_success=on_success, on_failure=lambda _: called.append("undone")
        )
        await reached(begun.is_set)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        if by == "cancel":
            await queue.cancel(job)
        return job

    assert worked(one).state == "done"
    assert called == ["done"]


@pytest.mark.parametrize("step", ["on_success", "on_failure"])
def test_an_unforeseen_fault_fails_its_job_and_not_the_queue(step: str):
    def fault(_: Job) -> None:
        raise KeyError("subject")

    async def two(queue: Jobs) -> tuple[Job, Job]:
        text = "pass" if step == "on_success" else "sys.exit(3)"
        follows: dict[str, Any] = {step: fault}
        first = queue.add("first", [text], **follows)
        second = queue.add("second", ["pass"])
        await second.ended.wait()
        return first, second

    first, second = worked(two)
    assert (first.state, second.state) == ("failed", "done")
    assert "KeyError: 'subject'" in first.error


def test_a_line_without_an_end_fails_its_job_and_not_the_queue(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "LONGEST_LINE", 1000)

    async def two(queue: Jobs) -> tuple[Job, Job]:
        first = queue.add("first", ["sys.stderr.write('x' * 5000); time.sleep(60)"])
        second = queue.add("second", ["pass"])
        await second.ended.wait()
        return first, second

    first, second = worked(two)
    assert (first.state, second.state) == ("failed", "done")
