"""Make the pictures of the pages from rendered clips, with the commands that the pages name.

    la2ds demo la2ds-demo
    python scripts/make_gallery.py la2ds-demo

Needs chromium and the package playwright for the pages of the studio.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from la2ds_cli.core.annotations import (
    JOINT,
    Annotation,
    ClipMoments,
    Moment,
    drawing_value,
    joint_value,
    turning_of,
)
from la2ds_cli.core.clip import family
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.core.stored_project import StoredProject

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
WIDTH = 1200  # pixels
A, B = "performer-02", "performer-05"
# Picture -> arguments of la2ds; {out} is the file that is written.
FIGURES = {
    "align": ("align", A, B, "--out", "{out}.png"),
    "compare": ("compare", "performer-07", "performer-08", "--out", "{out}.png"),
}

# Picture -> page of the studio, when it shows all, and the height of the window.
STUDIO = {
    "studio-pair": (
        f"/pair?a={A}&b={B}",
        "[...document.querySelectorAll('canvas[id^=stage]')].every((one) => one.dataset.picture)",
        900,
    ),
    "studio-search": ("/search?row=40", "document.querySelectorAll('#hits img').length > 6", 820),
    "studio-clips": ("/", "[...document.images].every((one) => one.complete)", 900),
}
# Those of a copy of the project, in which a person has corrected joints and propagated phases.
CHANGED = {
    "studio-joints": (f"/joints?clip={A}", "true", 900),
    "studio-phases": (f"/phases?clip={A}", "true", 900),
}
# Picture -> what to click before it is made.
CLICKS = {
    "studio-clips": [
        f"[aria-label='choose {name}.mp4']" for name in ("performer-01", "performer-03")
    ]
}


def run(project: Path, arguments: tuple[str, ...], out: Path) -> None:
    """One command of la2ds on the project."""
    words = [word.replace("{out}", str(out)) for word in arguments]
    command = [
        str(Path(sys.executable).parent / "la2ds"),
        *words,
        "--project",
        str(project),
        "--quiet",
    ]
    subprocess.run(command, check=True)


def keep(image: Image.Image, name: str) -> None:
    """As a JPEG of at most WIDTH pixels."""
    image = image.convert("RGB")
    if image.width > WIDTH:
        height = round(image.height * WIDTH / image.width)
        image = image.resize((WIDTH, height), Image.Resampling.LANCZOS)
    image.save(GALLERY / f"{name}.jpg", quality=86, optimize=True)
    print(GALLERY / f"{name}.jpg", image.size)


def draw_on_pair(project: StoredProject) -> None:
    """The angle of a knee of A and a plumb line through B's head, as a person might draw them at
    the moment that the picture shows."""
    ids = [clip.id for name in (A, B) if (clip := project.video_list().find(name))]
    first, second = (project.read_pose(video)[0] for video in ids)
    names = get_skeleton(first.skeleton).joints
    leg = [first.xy[40, names.index(joint)] for joint in ("left_hip", "left_knee", "left_ankle")]
    x, y = second.xy[len(second) // 3, names.index("nose")]
    a, b = (Moment(file, int(person)) for file, person in map(family, ids))
    plumb = drawing_value("line", [(x, y), (x, second.size[1] - 1)])
    knee = Annotation("angle", a, None, drawing_value("angle", leg), turning_of(first.info))
    head = Annotation("line", b, None, plumb, turning_of(second.info))
    project.change_annotations([], [knee, head])


def change(project: StoredProject) -> None:
    """Correct a joint of A, do not trust another, and propagate the phases of the other clips to A
    and B."""
    clip = project.video_list().find(A)
    assert clip is not None
    pose, _ = project.read_pose(clip.id)
    x, y = pose.xy[40, get_skeleton(pose.skeleton).joints.index("left_wrist")].tolist()
    reading = turning_of(pose.info)
    at = ClipMoments.of(clip.id, clip.options, pose).at(int(pose.frame[40]))
    values = joint_value("left_wrist", (x - 6, y + 4)), joint_value("right_wrist", None)
    rows = [Annotation(JOINT, at, None, value, reading) for value in values]
    project.change_annotations([], rows)
    lines = project.phases_path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith((f"{A}.", f"{B}."))]
    project.phases_path.write_text("".join(kept), "utf-8")
    words = ("transfer-labels", "--from", "labelled", "--to", A, "--to", B, "--write")
    run(project.root, words, project.root)


def studio_pictures(project: Path, wanted: list[str]) -> None:
    """Pages of the studio, after a first search."""
    run(project, ("retrieve", "--query", A, "--out", "{out}.json"), project / "results" / "gallery")
    if "studio-pair" in wanted:
        draw_on_pair(StoredProject.open(project))
    if pages := [name for name in wanted if name in STUDIO]:
        serve(project, pages)
    if pages := [name for name in wanted if name in CHANGED]:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "project"
            shutil.copytree(project, copy)
            change(StoredProject.open(copy))
            serve(copy, pages)


def serve(project: Path, pages: list[str]) -> None:
    """Pictures of pages of the studio of a project."""
    la2ds = str(Path(sys.executable).parent / "la2ds")
    command = [la2ds, "studio", "--no-browser", "--project", str(project)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as studio:
        try:
            assert studio.stdout is not None
            screenshots(studio.stdout.readline().split()[-1], project / "results", pages)
        finally:  # or leaving the block would wait for it for ever
            studio.terminate()


def screenshots(link: str, folder: Path, wanted: list[str]) -> None:
    """Pages of a running studio; those without a row in their address after 40 frames."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)  # type: ignore[arg-type]
        tab = browser.new_page()
        tab.goto(link)
        for name in wanted:
            path, ready, height = (STUDIO | CHANGED)[name]
            tab.set_viewport_size({"width": WIDTH, "height": height})
            tab.goto(link.partition("/?")[0] + path)
            shown = f"document.body.dataset.ready === 'true' && {ready}"
            for key in [None, *(4 * ["Shift+ArrowRight"] if "row" not in path else [])]:
                if key is not None:
                    tab.keyboard.press(key)
                while not tab.evaluate(shown):  # wait_for_function is refused by the page's policy
                    tab.wait_for_timeout(200)
            for clicked in CLICKS.get(name, []):
                tab.click(clicked)
            tab.evaluate("window.scrollTo(0, 0)")
            tab.wait_for_timeout(1500)
            picture = folder / f"{name}.png"
            tab.screenshot(path=str(picture))
            keep(Image.open(picture), name)
            picture.unlink()
        browser.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="pictures of the pages")
    parser.add_argument("project", type=Path, help="made by la2ds demo")
    parser.add_argument("--only", nargs="*", default=None, help="names of pictures")
    options = parser.parse_args()

    def wanted(name: str) -> bool:
        return options.only is None or name in options.only

    GALLERY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, arguments in FIGURES.items():
            if wanted(name):
                out = Path(folder) / name
                run(options.project, arguments, out)
                keep(Image.open(out.with_suffix(".png")), name)
    if pages := [name for name in STUDIO | CHANGED if wanted(name)]:
        studio_pictures(options.project, pages)


if __name__ == "__main__":
    main()
