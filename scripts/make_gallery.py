"""Make the pictures of docs/tutorials/two-clips.md from rendered clips, with the commands that the
page names, and those of its newer pages in docs/how-to/studio.md.

    la2ds demo la2ds-demo
    la2ds train --project la2ds-demo --run short --set train.steps=400 \\
        --set train.validate_every=50
    python scripts/make_gallery.py la2ds-demo

With `--footage VIDEOS`, a folder with golf/swing1.mp4, golf/swing3.mp4 and golf/phases.csv,
also the picture of real footage, which shows skeletons and none of its pixels. Needs chromium and
the package playwright for the screenshots of pages.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from la2ds_cli.core.annotations import (
    JOINT,
    Annotation,
    ClipMoments,
    Moment,
    drawing_value,
    joint_value,
)
from la2ds_cli.core.clip import family
from la2ds_cli.core.corrections import reading_of, turning_of
from la2ds_cli.core.project import Project
from la2ds_cli.core.skeleton import get_skeleton
from la2ds_cli.demo import clips
from la2ds_cli.demo.movement import movement, random_style
from la2ds_cli.demo.performer import forward_kinematics, random_body
from la2ds_cli.video.reader import write_video

GALLERY = Path(__file__).parents[1] / "docs" / "gallery"
WIDTH = 1200  # pixels
A, B = "performer-02", "performer-05"
# Picture -> arguments of la2ds; {out} is the file that is written.
FIGURES = {
    "align": ("align", A, B, "--out", "{out}.png"),
    "compare": ("compare", "performer-07", "performer-08", "--out", "{out}.png"),
    "retrieve": ("retrieve", "--query", A, "--k", "7", "--out", "{out}.png"),
    "embeddings": ("plot-embeddings", A, B, "--out", "{out}.png"),
}
PAGES = {
    "report": ("report", A, B, "--out", "{out}.html"),
    "report-private": ("report", A, B, "--privacy", "--out", "{out}.html"),
}

# Picture -> page of the studio, when it shows all, and the height of the window.
STUDIO = {
    "studio-pair": (
        f"/pair?a={A}&b={B}",
        "[...document.querySelectorAll('canvas[id^=stage]')].every((one) => one.dataset.picture)",
        900,
    ),
    "studio-search": ("/search?row=40", "document.querySelectorAll('#hits img').length > 6", 820),
    "studio-timeline": (
        "/timeline?name=timeline",
        "[...document.querySelectorAll('#stages canvas')].every((one) => one.dataset.picture)",
        820,
    ),
    "studio-train": ("/train", "document.body.dataset.evaluation !== undefined", 1300),
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


def repeated(path: Path, times: int = 4) -> None:
    """A film of one performer who does the movement `times` times, each at another speed."""
    rng = np.random.default_rng(2)
    body, style = random_body(rng), random_style(rng)
    poses = []
    for _ in range(times):
        pose = movement(np.linspace(0, 0.9, int(rng.integers(50, 110))), style)
        back = np.linspace(0, 1, 16)[1:-1, None]
        back = back**2 * (3 - 2 * back)
        poses += [pose, pose[-1] * (1 - back) + pose[0] * back]
    world = forward_kinematics(body, np.concatenate(poses))
    camera = clips.camera_for(rng, world, 0.45)
    write_video(path, clips.drawn_frames(rng, world, body, camera), clips.FPS)


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


def screenshot(page: Path, picture: Path, whole: bool) -> None:
    """The page as a browser shows it, 40 frames into the clips; or its upper part."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        options = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)  # type: ignore[arg-type]
        tab = browser.new_page(viewport={"width": WIDTH, "height": 1300})
        tab.goto(page.as_uri())
        tab.wait_for_timeout(1500)
        for _ in range(40):
            tab.keyboard.press("ArrowRight")
        tab.wait_for_timeout(500)
        tab.screenshot(path=str(picture), full_page=whole)
        browser.close()


def draw_on_pair(project: Project) -> None:
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


def change(project: Project) -> None:
    """Correct a joint of A, do not trust another, and propagate the phases of the other clips to A
    and B."""
    clip = project.video_list().find(A)
    assert clip is not None
    pose, recipe = project.read_pose(clip.id)
    x, y = pose.xy[40, get_skeleton(pose.skeleton).joints.index("left_wrist")].tolist()
    reading = reading_of(recipe, pose.info)
    at = ClipMoments.of(clip.id, clip.options, pose).at(int(pose.frame[40]))
    values = joint_value("left_wrist", (x - 6, y + 4)), joint_value("right_wrist", None)
    rows = [Annotation(JOINT, at, None, value, reading) for value in values]
    project.change_annotations([], rows)
    lines = project.phases_path.read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith((f"{A}.", f"{B}."))]
    project.phases_path.write_text("".join(kept), "utf-8")
    words = ("transfer-labels", "--from", "labelled", "--to", f"{A},{B}", "--write")
    run(project.root, words, project.root)


def studio_pictures(project: Path, wanted: list[str]) -> None:
    """Pages of the studio, after a first search and with all clips of the project on a timeline."""
    run(project, ("retrieve", "--query", A, "--out", "{out}.json"), project / "results" / "gallery")
    run(project, ("timeline",), project)
    if "studio-pair" in wanted:
        draw_on_pair(Project.open(project))
    if pages := [name for name in wanted if name in STUDIO]:
        serve(project, pages)
    if pages := [name for name in wanted if name in CHANGED]:
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "project"
            shutil.copytree(project, copy)
            change(Project.open(copy))
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


def moving(video: Path, name: str, rate: int = 10, width: int = 640) -> None:
    """The video as an animated WebP, which pages of text can show."""
    import av

    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        every = max(round(float(stream.average_rate or 30) / rate), 1)
        frames = [f.to_image() for n, f in enumerate(container.decode(stream)) if n % every == 0]
    size = (width, round(frames[0].height * width / frames[0].width))
    small = [frame.resize(size, Image.Resampling.LANCZOS) for frame in frames]
    small[0].save(
        GALLERY / f"{name}.webp",
        save_all=True,
        append_images=small[1:],
        duration=round(1000 / rate),
        loop=0,
        quality=70,
    )
    print(GALLERY / f"{name}.webp", size, len(small))


def real_swings(golf: Path, project: Path) -> Image.Image:
    """Two filmed golf swings compared, as skeletons."""
    swings = [str(golf / name) for name in ("swing1.mp4", "swing3.mp4")]
    out = project.with_suffix(".png")
    Project.create(project)
    for swing in swings:
        run(project, ("extract-poses", swing), out)
    shutil.copy(golf / "phases.csv", project / "phases.csv")
    run(project, ("compare", *swings, "--privacy", "--out", str(out)), out)
    return Image.open(out)


def main() -> None:
    parser = argparse.ArgumentParser(description="pictures of docs/tutorials/two-clips.md")
    parser.add_argument("project", type=Path, help="made by la2ds demo")
    parser.add_argument("--footage", type=Path, help="folder of videos with golf/ in it")
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
        for name, arguments in PAGES.items():
            if wanted(name):
                out = Path(folder) / name
                run(options.project, arguments, out)
                screenshot(out.with_suffix(".html"), out.with_suffix(".png"), name != "project")
                keep(Image.open(out.with_suffix(".png")), name)
        for name, more in {"sync": (), "sync-private": ("--privacy",)}.items():
            if wanted(name):
                out = Path(folder) / name
                run(options.project, ("sync", A, B, "--out", "{out}.mp4", *more), out)
                moving(out.with_suffix(".mp4"), name)
        if options.footage is not None and wanted("real-golf"):
            keep(real_swings(options.footage / "golf", Path(folder) / "real"), "real-golf")
        if pages := [name for name in STUDIO | CHANGED if wanted(name)]:
            studio_pictures(options.project, pages)
        if wanted("repetitions"):  # last: its film is a clip of the project from then on
            film = Path(folder) / "repeated.mp4"
            repeated(film)
            run(options.project, ("extract-poses", str(film)), film)
            out = film.with_suffix(".png")
            words = ("align", A, str(film), "--repetition", "all", "--out", str(out))
            run(options.project, words, out)
            keep(Image.open(out), "repetitions")


if __name__ == "__main__":
    main()
