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
HEAD = f"""{jobs.HEARS}
import json, os, sys, time
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
    """A job of this program when it is over, and another one after it, which is done."""

    async def two(queue: Jobs) -> Job:
        job, after = queue.add("work", [text], **more), queue.add("after", ["pass"])
        await after.ended.wait()
        assert after.state == "done"
        return job

    return worked(two)


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
    assert job.output == ["not an event"]


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


def refuse(_: Job) -> None:
    raise UserError("the project is locked", hint="wait")


def fault(_: Job) -> None:
    raise KeyError("subject")


ITEM = {"path": "x.mp4", "status": "skipped", "message": "no person found", "hint": "film on"}


@pytest.mark.parametrize(
    ("text", "follows", "state", "said"),
    [
        ("tell(error='no file: x', hint='check its name'); sys.exit(3)", {},
         "failed", "no file: x; check its name"),
        (f"print(json.dumps({{'items': [{ITEM!r}]}})); sys.exit(4)", {},
         "failed", "no person found; film on"),
        ("raise RuntimeError('a fault of la2ds')", {},
         "failed", "la2ds ended with exit code 1: .*RuntimeError: a fault of la2ds"),
        ("sys.exit(8)", {}, "done", ""),  # usable in part
        ("sys.stderr.write('x' * 5000); time.sleep(60)", {}, "failed", ".*lost contact.*"),
        ("pass", {"on_success": refuse}, "failed", "the project is locked; wait"),
        ("pass", {"on_success": fault}, "failed", "unexpected error: KeyError: 'subject'"),
    ],
)  # fmt: skip
def test_how_a_job_ends_and_why(
    text: str, follows: dict[str, Any], state: str, said: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(jobs, "LONGEST_LINE", 1000)
    job = done(text, **follows)
    assert job.state == state
    assert re.match(f"{said}$", job.error)


def test_jobs_that_have_ended_are_kept_up_to_a_number(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(jobs, "KEPT", 2)

    async def many(queue: Jobs) -> list[int]:
        for _ in range(5):
            await queue.add("work", ["pass"]).ended.wait()
        return [job.number for job in queue.jobs.values()]

    assert worked(many) == [3, 4, 5]  # two, and the one that was added last


def test_a_job_that_waits_is_cancelled_without_a_process(tmp_path: Path):
    trace = tmp_path / "trace"

    async def two(queue: Jobs) -> tuple[Job, Job]:
        first = queue.add("first", ["time.sleep(0.3)"])
        second = queue.add("second", [f"open({str(trace)!r}, 'w')"])
        await reached(lambda: first.state == "running")
        await queue.cancel(second)
        assert second.state == "cancelled"
        third = queue.add("third", ["pass"])
        await third.ended.wait()
        return first, third

    first, third = worked(two)
    assert (first.state, third.state) == ("done", "done")
    assert not trace.exists()


@pytest.mark.parametrize("deaf", [False, True])
def test_a_running_job_is_stopped_as_by_ctrl_c_or_else_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deaf: bool
):
    """Also by a studio that does not hear Ctrl-C itself."""
    trace = tmp_path / "trace"
    monkeypatch.setattr(jobs, "PATIENCE", 0.2 if deaf else 15.0)
    text = "signal.signal(signal.SIGINT, signal.SIG_IGN); " if deaf else ""
    text += (
        f"tell(task='clips')\ntry:\n    time.sleep(60)\n"
        f"except KeyboardInterrupt:\n    open({str(trace)!r}, 'w').close()\n    sys.exit(130)\n"
    )

    async def stopped(queue: Jobs) -> Job:
        job = queue.add("work", [text])
        await reached(lambda: job.task == "clips")
        begun = time.monotonic()
        await queue.cancel(job)
        assert time.monotonic() - begun < 7
        return job

    assert jobs.HEARS in COMMAND[-1]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        job = worked(stopped)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (job.state, job.error) == ("cancelled", "")
    assert trace.exists() != deaf


@pytest.mark.parametrize("by", ["cancel", "the end of the studio"])
def test_a_job_that_is_cancelled_while_its_results_are_kept_is_done(by: str):
    """`on_success` cannot be stopped halfway."""
    called: list[str] = []
    begun, go_on = Event(), Event()

    def on_success(_: Job) -> None:
        begun.set()
        go_on.wait(10)
        called.append("done")

    async def one(queue: Jobs) -> Job:
        job = queue.add("work", ["pass"], on_success=on_success)
        await reached(begun.is_set)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
        if by == "cancel":
            await queue.cancel(job)
        return job

    assert worked(one).state == "done"
    assert called == ["done"]
