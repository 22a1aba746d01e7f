"""The pictures of one clip in a synchronised video: its frames, or its joints on plain ground."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from la2ds_cli.core.types import BoolArray, FloatArray, IntArray, PoseSequence
from la2ds_cli.features.pose_features import mirror
from la2ds_cli.video.reader import Image
from la2ds_cli.video.video_file import VideoFile
from la2ds_cli.views.film_strip import view_boxes
from la2ds_cli.views.pose_drawing import draw_pose
from la2ds_cli.views.sync.shown_frames import shown_frames

PLAIN = (38, 38, 42)  # RGB
UPSCALED = 2.0  # pixels shown per pixel of a video, at most
_ON_PICTURES, _ALONE = 160, 100  # shorter side of the picture by the thickness of a limb
WIDEST = 2.4  # width by height; a wider picture is made smaller


@dataclass(frozen=True)
class Panel:
    """How the frames of a clip are shown.

    pose: as drawn, mirrored where `mirrored`. source: where the frames are read from, None = only
    the joints are drawn. width, height: of the picture in pixels, even. scale: pixels of the
    picture per pixel of the video. corner: (T, 2) pixels of the video at the picture's upper left.
    skeleton: whether joints are drawn; they always are where there is no source.
    """

    pose: PoseSequence
    source: VideoFile | None
    width: int
    height: int
    scale: float
    corner: FloatArray
    mirrored: bool = False
    skeleton: bool = True

    def pictures(self, row: IntArray, found: BoolArray) -> Iterator[Image]:
        """(height, width, 3) RGB for each of row (F,), grey where found (F,) is False. The same
        array comes again where nothing changes: it must not be drawn into."""
        images: Iterator[Image | None]
        images = iter([None] * len(row))
        if self.source is not None:
            images = shown_frames(self.source, self.pose.frame[row])
        last: tuple[int, bool] | None = None
        picture = np.empty((0, 0, 3), np.uint8)
        for t, there, image in zip(row.tolist(), found.tolist(), images, strict=True):
            if (t, there) != last:
                picture = self.picture(t, image)
                if not there:
                    picture = greyed(picture)
                last = t, there
            yield picture

    def picture(self, t: int, image: Image | None) -> Image:
        """Row t, drawn over the frame `image` of the video or over plain ground."""
        if image is None:
            shown = np.full((self.height, self.width, 3), PLAIN, np.uint8)
        else:
            shown = _resized(image, self.width, self.height, mirrored=self.mirrored)
        if self.skeleton or image is None:
            x, y = self.corner[t].tolist()
            thick = max(
                2, round(min(self.width, self.height) / (_ON_PICTURES, _ALONE)[image is None])
            )
            draw_pose(shown, self.pose, t, self.scale, (x, y), thick)
        return shown


def make_panel(
    pose: PoseSequence,
    source: VideoFile | None,
    size: tuple[int, int],
    height: int,
    *,
    mirrored: bool,
    skeleton: bool,
) -> Panel:
    """A clip in a picture of at most `height` rows.

    size: (width, height) of the source's frames; without a source, where nothing bounds the view,
    the picture follows the body.
    """
    drawn = replace(mirror(pose) if mirrored else pose, box=np.full_like(pose.box, np.nan), info={})
    if source is None:
        box = view_boxes(drawn)
        width, high = (box[0, 2:] - box[0, :2]).tolist()
        scale = height / high
        return Panel(drawn, None, _even(width * scale), height, scale, box[:, :2], mirrored)
    scale = min(height / size[1], UPSCALED, WIDEST * height / size[0])
    corner = np.zeros((len(pose), 2))
    shape = _even(size[0] * scale), _even(size[1] * scale)
    return Panel(drawn, source, *shape, scale, corner, mirrored, skeleton)


def full_panel(
    pose: PoseSequence,
    source: VideoFile | None,
    size: tuple[int, int],
    *,
    mirrored: bool,
    skeleton: bool,
) -> Panel:
    """A clip in its own resolution, size = (width, height); (0, 0), unknown, is 720 rows around the
    body."""
    if not (size[0] and size[1]):
        return make_panel(pose, None, size, 720, mirrored=mirrored, skeleton=True)
    drawn = replace(mirror(pose) if mirrored else pose, box=np.full_like(pose.box, np.nan), info={})
    return Panel(drawn, source, *size, 1.0, np.zeros((len(pose), 2)), mirrored, skeleton)


def greyed(image: Image) -> Image:
    """Without colour, paler and darker: what has no counterpart."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.repeat((grey[..., None] * 0.35 + 55).astype(np.uint8), 3, axis=2)


def _resized(image: Image, width: int, height: int, *, mirrored: bool) -> Image:
    """A copy of another size; averaged where it gets smaller."""
    import cv2

    if image.shape[:2] != (height, width):
        method = cv2.INTER_AREA if height < image.shape[0] else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(image, (width, height), interpolation=method), np.uint8)
    else:
        image = image.copy()
    return np.ascontiguousarray(image[:, ::-1]) if mirrored else image


def _even(value: float) -> int:
    return max(2 * round(value / 2), 2)
