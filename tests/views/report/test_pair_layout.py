"""The page of a pair on screens of several widths, in the dark and by keyboard."""

from __future__ import annotations

from collections.abc import Callable

from tests.views.report.conftest import Opened, Report

Open = Callable[..., Opened]


def test_pictures_fill_their_place_at_any_width_and_stay_in_sight(
    pair: Report, open_page: Open
) -> None:
    opened = open_page(pair.file)
    page = opened.page
    for width in (360, 390, 1000, 1440, 1920, 2560):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_timeout(100)
        page.evaluate("window.scrollTo(0, 0)")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for side in "ab":
            picture = page.locator(f"#stage-{side}").bounding_box()
            place = page.locator(f"#player-{side} .stage").bounding_box()
            assert picture["width"] >= 0.8 * place["width"], width
            assert picture["height"] >= 0.99 * place["height"], width
        tops = [page.locator(f"#stage-{side}").bounding_box()["y"] for side in "ab"]
        assert tops[0] == tops[1]
        if width in (390, 1920, 2560):  # also while the curves are used
            page.locator("#track-angles").scroll_into_view_if_needed()
            opened.click("track-confidence", 0.5)
            assert opened.row() in (17, 18)
            box = page.locator("#stage-a").bounding_box()
            assert box["y"] >= 0
            assert box["y"] + box["height"] <= 900


def test_the_matrix_and_the_curves_show_the_focus_and_take_arrow_keys(
    pair: Report, open_page: Open
) -> None:
    opened = open_page(pair.file)
    for name in ("matrix", "track-tempo", "track-angles"):
        opened.page.locator(f"#{name}").focus()
        row = opened.row()
        opened.page.keyboard.press("ArrowRight")
        assert opened.row() == row + 1
        style = f"getComputedStyle(document.getElementById('{name}'))"
        assert opened.page.evaluate(f"{style}.outlineStyle") == "solid", name


def test_in_the_dark_the_page_and_what_it_draws_are_dark(pair: Report, open_page: Open) -> None:
    opened = open_page(pair.file)
    light = opened.pixel("track-tempo", 0.999, 0.99)
    opened.page.emulate_media(color_scheme="dark")
    opened.wait_for("getComputedStyle(document.body).backgroundColor === 'rgb(20, 24, 27)'")
    opened.page.wait_for_timeout(200)
    assert max(opened.pixel("track-tempo", 0.999, 0.99)) < 80 < min(light)
    opened.harmless()
