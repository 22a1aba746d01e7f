"""Writing videos that play everywhere, atomically."""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from la2ds_cli.core.artifact import cannot_write, replace_by, temporary_beside

_BT709, _LIMITED = 1, 1  # FFmpeg's numbers


def write_video(
    path: str | os.PathLike[str], frames: Iterable[NDArray[np.uint8]], fps: float
) -> None:
    """Write RGB frames (H, W, 3) as H.264, or MPEG-4 part 2 if H.264 is not built in.

    The file is written atomically; the same frames give the same bytes. Odd sides get one black row
    or column, which 4:2:0 colour needs.
    Raises ValueError without frames, and UserError (exit 7) if the file cannot be written.
    """
    target = Path(path)
    try:
        with temporary_beside(target) as temporary:
            _encode(str(temporary), frames, fps)
            replace_by(temporary, target)
    except OSError as error:
        raise cannot_write(target, error) from error


def _encode(name: str, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    import av

    codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
    options = {"qscale": "5"}
    if codec == "libx264":
        options = {"crf": "23", "preset": "veryfast", "x264-params": "cpu-independent=1"}
    with av.open(name, "w") as container:
        stream: Any = None
        for image in frames:
            padded = np.pad(image, ((0, image.shape[0] % 2), (0, image.shape[1] % 2), (0, 0)))
            if stream is None:
                rate = Fraction(fps).limit_denominator(1001)
                stream = container.add_stream(codec, rate=rate, options=options)
                stream.height, stream.width = padded.shape[:2]
                stream.pix_fmt = "yuv420p"
                # Tagged, because players guess the colours of an untagged stream by its size.
                context = stream.codec_context
                context.thread_count = 1  # with more, or other code for each CPU, the bytes vary
                context.colorspace = context.color_primaries = context.color_trc = _BT709
                context.color_range = _LIMITED
            picture = av.VideoFrame.from_ndarray(padded, format="rgb24").reformat(
                format="yuv420p", dst_colorspace=_BT709, dst_color_range=_LIMITED, threads=1
            )
            container.mux(stream.encode(picture))
        if stream is None:
            raise ValueError("write_video: no frames")
        container.mux(stream.encode(None))
