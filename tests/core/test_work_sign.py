"""A terminal is never silent for long while a command works; pipes and --quiet get nothing."""

from __future__ import annotations

import io
import sys
import time

import pytest

from la2ds_cli.commands.command import Command
from la2ds_cli.core import console, work_sign
from la2ds_cli.core.console import Console


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def seen(self) -> str:
        """What has been shown since the last look."""
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text


def waited_for(terminal: Terminal, text: str, seconds: float = 3.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if text in terminal.getvalue():
            return True
        time.sleep(0.01)
    return False


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """The terminal of a test, set in its body: between the phases of a test, pytest has its own."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(work_sign, "PATIENCE", 0.05)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("LA2DS_PROGRESS", raising=False)
    return terminal


def test_a_silent_command_says_that_it_works_until_its_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = terminal_of(monkeypatch)

    def work() -> None:
        assert waited_for(terminal, "working, 0 s")
        with Console() as shown:
            terminal.seen()
            shown.progress.note("a note")
            assert terminal.seen().startswith("\r\x1b[Ka note\n")  # replaces the sign
            assert waited_for(terminal, "working")  # and it comes back
            shown.progress.begin("poses", 3)
            terminal.seen()
            assert not waited_for(terminal, "working", 0.3)  # the bar is enough
            shown.progress.end()
            assert waited_for(terminal, "working")
            shown.line("the result")
            assert terminal.seen().endswith("\r\x1b[K")
            assert not waited_for(terminal, "working", 0.3)

    Command(work)(offline=False)
    assert capsys.readouterr().out == "the result\n"


@pytest.mark.parametrize("option", [{"quiet": True}, {"as_json": True}, {}])
def test_nothing_is_added_in_pipes_and_where_nothing_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, option: dict[str, bool]
) -> None:
    terminal = terminal_of(monkeypatch)
    if not option:
        monkeypatch.setattr(terminal, "isatty", lambda: False)
    with console.sign_of_work(**{"quiet": False, "as_json": False, **option}):
        assert sys.stderr is terminal
        assert not waited_for(terminal, "working", 0.3)


def test_an_error_takes_the_sign_away(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)

    def fail() -> None:
        assert waited_for(terminal, "working")
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        Command(fail)(offline=False)
    assert terminal.seen().endswith("\r\x1b[K")
    assert not waited_for(terminal, "working", 0.3)
