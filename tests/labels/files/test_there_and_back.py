"""Whatever phases.csv holds comes back from a file of every format as it was, to the same part and
person of the film; what a format cannot hold is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from la2ds_cli.core.clip import Video
from la2ds_cli.core.errors import UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import CLIP_EDGE, PERSON, PROPAGATED, Origins, Phase, PoseSequence
from la2ds_cli.labels.exchange import checked_text, clips_of, phases_in
from la2ds_cli.labels.files import FORMATS, LabelFile, parser
from tests.any_values import texts
from tests.movement import sequence, warped_phase

DIGEST, OTHER = "a1" * 32, "b2" * 32
CLIPS = [
    Video(
        f"films-{name}-{digest[:8]}{rest}",
        f"/films/{name}.mp4",
        digest,
        person=person,
        options=options,
    )
    for name, digest in (("anna", DIGEST), ("two", OTHER))
    for rest, options, person in (
        ("", "", 1),
        ("-t0.5-1.5", "start=0.5 end=1.5", 1),
        ("-p2", "", 2),
        ("-t0.5-1.5-p2", "start=0.5 end=1.5 slowmo=2", 2),
    )
]
HOSTILE = ["1", "0", "end of swing", "end of end of swing", "swing", "0:00:01:00", ", ", "a,b", "'"]
HOSTILE += ['"', "a\nb", "a\r\nb", "\ra", " a ", "\ta", "👩\u200d🦽", "x" * 80, "phase", "origin"]
HOSTILE += ["start carried at 0.0000 s", "la2ds x#1 y", "State event", "]]>", "<!--", "&#13;", "=1"]
names = st.one_of(st.sampled_from(HOSTILE), texts)
origins = st.sampled_from([PERSON, PROPAGATED, CLIP_EDGE, "rule of a data set", "at 1 s, end x"])
# What no XML document holds: most control characters, and what is no character.
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> StoredProject:
    project = StoredProject.create(tmp_path_factory.mktemp("films"))
    project.add_videos(CLIPS)
    return project


def pose_of(video: Video, fps: float) -> PoseSequence:
    pose = sequence(warped_phase(40, 1), fps=fps)
    if "start" not in video.options:
        return pose
    first = round(0.5 * fps)
    return replace(pose, frame=pose.frame + first, time=pose.time + 0.5)


@st.composite
def labelled(draw: st.DrawFn, first: int) -> list[Phase]:
    """Phases without overlaps, some of which touch."""
    borders = sorted(draw(st.sets(st.integers(first, first + 40), min_size=2, max_size=7)))
    phases = []
    for start, end in pairwise(borders):
        if draw(st.integers(0, 3)):
            ends = Origins(draw(origins), draw(origins))
            phases.append(Phase(start, end, draw(names), ends))
    return phases


@pytest.mark.parametrize("name", sorted(FORMATS))
@settings(max_examples=60)
@given(data=st.data())
def test_there_and_back(project: StoredProject, name: str, data: st.DataObject):
    video = data.draw(st.sampled_from(CLIPS))
    pose = pose_of(video, data.draw(st.sampled_from([20.0, 29.97, 240.0])))
    phases = data.draw(labelled(int(pose.frame[0])))
    is_held = all(
        phase.name.strip() and not (name in ("elan", "kinovea") and NOT_XML.search(phase.name))
        for phase in phases
    )
    try:
        text = checked_text(project, name, video, pose, phases)
    except UserError as error:
        refused = error.code
    else:
        refused = ""
    assert refused == ("" if is_held else "E005")
    if refused:
        return
    (labels,) = parser(name)(text, "x", "")
    assert isinstance(labels, LabelFile)
    assert phases_in(labels, pose, video) == (phases, [])
    if phases:  # Kinovea has nothing to hold the clip without them
        assert clips_of(project, labels, "x") == [video]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_an_end_that_was_moved_in_the_tool_is_a_persons(project: StoredProject, name: str):
    video, pose = CLIPS[0], pose_of(CLIPS[0], 20.0)
    carried = Origins(PROPAGATED, PROPAGATED)
    text = checked_text(project, name, video, pose, [Phase(4, 12, "up", carried)])
    moved = {
        "boris": ("0.6,", "0.8,"),
        "elan": ('"600"', '"800"'),
        "kinovea": (">12000<", ">16000<"),
        "via3": ("0.6\n", "0.8\n"),
    }
    assert text.count(moved[name][0]) == 1
    changed = text.replace(*moved[name])
    (labels,) = parser(name)(changed, "x", "")
    assert isinstance(labels, LabelFile)
    assert phases_in(labels, pose, video)[0] == [Phase(4, 16, "up", Origins(PROPAGATED, PERSON))]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_frames_closer_than_the_times_of_a_format_are_refused(project: StoredProject, name: str):
    video, pose = CLIPS[0], pose_of(CLIPS[0], 1e5)
    phases = [Phase(3, 4, "up"), Phase(4, 5, "down")]
    if name == "kinovea":  # its stamps are finer than any frame
        checked_text(project, name, video, pose, phases)
        return
    with pytest.raises(UserError, match="cannot represent the label") as caught:
        checked_text(project, name, video, pose, phases)
    assert caught.value.code == "E005"
