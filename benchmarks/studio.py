"""How fast the studio's pages are: first paint, the list of clips, and scrubbing of a pair.

    python benchmarks/studio.py MANY PAIR [--rounds 3]

MANY: a project with some 60 clips. PAIR: one whose first two clips are videos of 720 lines. Needs
playwright and /usr/bin/chromium. Times are wall-clock seconds since the page was asked for. A
picture counts when both players show it; one frame is asked for at each refresh of the screen.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

READY = "document.body?.dataset.ready === 'true'"
IN_VIEW = (
    "[...document.querySelectorAll('.clip img')]"
    ".filter((one) => one.getBoundingClientRect().top < 900)"
    ".every((one) => one.complete && one.naturalWidth)"
)
PAINT = "performance.getEntriesByName('first-paint')[0].startTime / 1000"
SCRUB = """async (random) => {
  const shown = () => [...document.querySelectorAll('canvas')].map((one) => one.dataset.picture)
    .filter((one) => one !== undefined);
  const begun = performance.now();
  let row = 0, pictures = 0, last = "";
  while (performance.now() - begun < 4000) {
    row = random ? Math.floor(Math.random() * A.count) : (row + 1) % A.count;
    seek(row);
    await new Promise((next) => requestAnimationFrame(next));
    const now = shown();
    if (!now.includes("") && now.join() !== last) { pictures += 1; last = now.join(); }
  }
  return pictures / 4;
}"""


@contextmanager
def studio(project: Path) -> Iterator[str]:
    """The link of a studio of the project."""
    command = [str(Path(sys.executable).parent / "la2ds"), "studio", "--no-browser"]
    command += ["--project", str(project)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
        process.terminate()


def wait(page: Any, condition: str) -> None:
    while not page.evaluate(condition):
        page.wait_for_timeout(10)


def opened(browser: Any, link: str) -> str:
    """What opening the list of clips takes."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    begun = time.perf_counter()
    page.goto(link, wait_until="commit")
    wait(page, READY)
    ready = time.perf_counter() - begun
    wait(page, IN_VIEW)
    seen = time.perf_counter() - begun
    clips = page.evaluate("document.querySelectorAll('.clip').length")
    painted = page.evaluate(PAINT)
    page.close()
    return f"{clips} clips: paint {painted:.2f} s, ready {ready:.2f} s, pictures {seen:.2f} s"


def scrubbed(browser: Any, link: str) -> str:
    """Pictures a second of a pair, after its film is there."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(link)
    ids = page.evaluate(
        "fetch('/clips').then((r) => r.json()).then((d) => d.clips.map((c) => c.id))"
    )
    page.goto(f"{link.partition('/?')[0]}/pair?a={ids[0]}&b={ids[1]}")
    wait(page, f"{READY} && typeof data === 'object'")
    page.wait_for_timeout(6000)
    forward, random = page.evaluate(SCRUB, False), page.evaluate(SCRUB, True)
    page.close()
    return f"pictures a second: {forward:.0f} forward, {random:.0f} by jumps at random"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("many", type=Path)
    parser.add_argument("pair", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with sync_playwright() as playwright:
        options = {"executable_path": "/usr/bin/chromium", "args": ["--no-sandbox"]}
        browser = playwright.chromium.launch(**options)  # type: ignore[arg-type]
        with studio(given.many) as link:
            for _ in range(given.rounds):
                print(opened(browser, link))
        with studio(given.pair) as link:
            for _ in range(given.rounds):
                print(scrubbed(browser, link))
        browser.close()


if __name__ == "__main__":
    main()
