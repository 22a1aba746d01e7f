"""`la2ds studio` as a process: its line, its end, and what it refuses."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from la2ds_cli.core.errors import ExitCode
from la2ds_cli.studio.server import _listening
from tests.told import refused

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX systems")
Start = Callable[..., subprocess.Popen[str]]


def opened(link: str) -> str:
    """The page at a link, as a browser without cookies gets it."""
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
    with opener.open(link, timeout=120) as answer:
        assert answer.url == link.partition("?")[0]
        return answer.read().decode()


def link_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    match = re.fullmatch(r"studio at (http://\S+/\?token=\S+)\n", line)
    assert match, line
    return match[1]


def test_it_says_one_line_serves_one_project_and_ends_when_told_to(start: Start, tmp_path: Path):
    folder = tmp_path / "project"
    process = start("--project", str(folder))
    link = link_of(process)
    assert re.match(r"http://127\.0\.0\.1:\d+/", link)
    assert "la2ds studio" in opened(link)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(link.partition("?")[0], timeout=120)
    cases = [
        (("--project", str(folder)), ExitCode.MISMATCH, ("is already open", "hint: use its page")),
        (("--host", "192.0.2.1"), ExitCode.USAGE, ("from another machine", "add --i-know")),
        (("--host", "0.0.0.0", "--i-know"), ExitCode.USAGE, ("give the address or name",)),
    ]
    for given, code, said in cases:
        second = start("--project", str(tmp_path / "other"), *given)
        out, error = second.communicate(timeout=120)
        assert (second.returncode, out) == (code, ""), given
        assert all(text in error for text in said), error
    assert not (tmp_path / "other").exists()
    process.send_signal(signal.SIGTERM)
    out, error = process.communicate(timeout=120)
    assert (process.returncode, out, error) == (0, "", "")


def test_the_command_line_of_the_browser_has_no_link_for_long(start: Start, tmp_path: Path):
    """Other users of the machine can read it."""
    seen = tmp_path / "seen.txt"
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > {seen}.new\nmv {seen}.new {seen}\n')
    browser.chmod(0o700)
    given = ("--project", str(tmp_path / "project"), "--host", "LocalHost")
    printed = link_of(start(*given, browser=f"{browser} %s"))
    for _ in range(600):
        if seen.exists():
            break
        time.sleep(0.1)
    # As browsers ask for it.
    links = [one.strip().replace("LocalHost", "localhost") for one in (seen.read_text(), printed)]
    link, printed = links
    assert link.partition("?")[0] == printed.partition("?")[0]
    assert link != printed
    assert "la2ds studio" in opened(link)
    with pytest.raises(urllib.error.HTTPError, match="403"):
        opened(link)
    opened(printed)


@pytest.mark.parametrize("port", [80, 1023])
def test_a_port_at_which_no_browser_could_open_it_is_refused(port: int):
    said = f"port {port} is reserved for system services"
    with refused(ExitCode.USAGE, said):
        _listening("127.0.0.1", port)


TWICE = """
import sys, time
from pathlib import Path
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.studio import jobs, server

jobs.COMMAND = (sys.executable, "-c", "")

def then(_):
    print("begun", flush=True)
    time.sleep(4)
    print("then", flush=True)

class WithWork(server.Jobs):
    async def run(self):
        self.add("work", ["x"], on_success=then)
        await super().run()

server.Jobs = WithWork
project = StoredProject.create(Path(sys.argv[1]))
server.serve(project, browser=False, announce=lambda link: print(link, flush=True))
"""


def test_a_second_ctrl_c_does_not_interrupt_what_follows_a_command(tmp_path: Path):
    words = [sys.executable, "-c", TWICE, str(tmp_path / "project")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            said = {process.stdout.readline().strip() for _ in range(2)}
            (link,) = said - {"begun"}
            opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))
            opener.open(link, timeout=120).close()
            events = link.partition("?")[0] + "events"
            with opener.open(events, timeout=120):  # an open page: its stream has to be ended
                for _ in range(3):
                    process.send_signal(signal.SIGINT)
                    time.sleep(0.3)
                rest = process.stdout.read().split()
                process.wait(120)
        finally:
            process.kill()
    assert (process.returncode, rest) == (0, ["then"])
