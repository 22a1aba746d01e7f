"""Lines of native libraries are kept back, everything else comes through."""

from __future__ import annotations

import os

import pytest

from la2ds_cli.poses.tflite_model import without, without_lines

NOISE = (r"INFO: Created", r"W\d{4} ")


def test_only_the_named_lines_go() -> None:
    text = b"INFO: Created a delegate\nan error\nW0000 00:00 file.cc\nsee W0000 x\nlast"
    assert without(text, NOISE) == b"an error\nsee W0000 x\nlast"


def test_the_error_stream_of_the_process(capfd: pytest.CaptureFixture[str]) -> None:
    with without_lines(NOISE):
        os.write(2, b"W0001 noise\nnews\n")
    os.write(2, b"W0002 afterwards\n")
    assert capfd.readouterr().err == "news\nW0002 afterwards\n"


def test_an_exception_passes_with_what_was_written(capfd: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with without_lines(NOISE):
            os.write(2, b"reason\n")
            raise ValueError("bad")

    with pytest.raises(ValueError, match="bad"):
        fail()
    os.write(2, b"W0001 again\n")
    assert capfd.readouterr().err == "reason\nW0001 again\n"
