"""Label files of other tools: what is written is read again, by us and by the tools' own readers,
and what other tools write is read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from la2ds_cli.core.errors import ExitCode, UserError
from la2ds_cli.core.stored_project import StoredProject
from la2ds_cli.core.types import BY_PROPAGATION, PERSON, PROPAGATED, Origins, Phase
from la2ds_cli.labels.exchange import export_labels
from la2ds_cli.labels.files import FORMATS, LabelFile, TimedPhase, elan, reader, writer
from la2ds_cli.labels.import_plan import import_labels
from tests.movement import add_sequence, sequence, warped_phase
from tests.processes import invoke

NAMED = [(0, 12, "=1+1"), (12, 20, "up, <b> & “rest”"), (25, 31, "'tis"), (31, 37, "-x")]
SPANS = [
    TimedPhase(0.0, 0.6, "down"),
    TimedPhase(0.6, 1.0, "up & <rest>"),
    TimedPhase(1.25, 1.85, "down"),
]


def read_labels(name: str, path: Path, layer: str = "") -> list[LabelFile]:
    """The labels of a file that has no errors."""
    return [labels for labels in reader(name)[0](path, layer) if isinstance(labels, LabelFile)]


@pytest.fixture
def project(tmp_path: Path) -> StoredProject:
    """Clips of unequal length and rate, b a part of its video and slowed down 2 times."""
    project = StoredProject.create(tmp_path / "project")
    for name, length, fps in (("a", 37, 20.0), ("b", 30, 25.0)):
        add_sequence(project, name, sequence(warped_phase(length, length), fps=fps))
    pose, recipe = project.read_pose("b")
    project.write_pose("b", replace(pose, frame=pose.frame + 10, time=pose.time + 0.4), recipe)
    rows = {row.id: row for row in project.videos()}
    project.add_videos(
        [
            replace(rows["a"], path="/films/Anna 1.mp4"),
            replace(rows["b"], path="/films/ben.mp4", options="slowmo=2"),
        ]
    )
    rows = [f'a,{start},{end},"{name}"' for start, end, name in NAMED]
    rows += ["b,10,20,down", "b,20,40,up"]
    project.phases_path.write_text("video,start,end,phase\n" + "\n".join(rows) + "\n")
    return project


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_what_is_written_comes_back(project: StoredProject, tmp_path: Path, name: str):
    before = project.phases()
    written = export_labels(project, name, [], tmp_path / "out")
    assert [item.status for item in written] == ["ok", "ok"]
    assert [item.code for item in export_labels(project, name, [], tmp_path / "out")] == 2 * [
        "E001"
    ]
    project.phases_path.unlink()
    read = import_labels(project, name, [tmp_path / "out"])
    assert [(item.status, item.frames) for item in read] == [("ok", 4), ("ok", 2)]
    assert project.phases() == before
    again = import_labels(project, name, [tmp_path / "out"])
    assert [item.status for item in again] == ["cached", "cached"]
    project.phases_path.write_text(project.phases_path.read_text().replace("up", "rest"))
    again = import_labels(project, name, [tmp_path / "out"])
    assert [item.code for item in again] == ["I006", "I006"]
    assert {i.status for i in import_labels(project, name, [tmp_path / "out"], overwrite=True)} == {
        "ok"
    }


def test_times_are_those_of_the_file(project: StoredProject, tmp_path: Path):
    export_labels(project, "elan", ["b"], tmp_path)
    (labels,) = read_labels("elan", tmp_path / "b.eaf", "")
    # Frame 10 is shown at 0.4 s of the movement, which the file shows at half the speed.
    assert [(s.start, s.end) for s in labels.phases] == [(0.8, 1.6), (1.6, 3.2)]
    assert labels.name == "ben.mp4"


def test_carried_labels_are_written_where_they_are_asked_for(
    project: StoredProject, tmp_path: Path
):
    project.phases_path.write_text("video,start,end,phase,origin\na,0,9,up,carried\n")
    assert [i.code for i in export_labels(project, "elan", ["a"], tmp_path)] == ["E004"]
    export_labels(project, "elan", ["a"], tmp_path, carried=True)
    (labels,) = read_labels("elan", tmp_path / "a.eaf", "")
    assert [phase.origins for phase in labels.phases] == [BY_PROPAGATION]
    assert [span.name for span in labels.phases] == ["up"]


def test_labels_go_to_every_clip_of_the_video(tmp_path: Path):
    """The name of a film means all of it; its parts show what lies within them."""
    project = StoredProject.create(tmp_path / "project")
    film, part = "films-anna-0123abcd", "films-anna-0123abcd-t0.4-1.6"
    for name, length, fps in ((film, 37, 20.0), (part, 30, 25.0)):
        add_sequence(project, name, sequence(warped_phase(length, length), fps=fps))
    pose, recipe = project.read_pose(part)
    project.write_pose(part, replace(pose, frame=pose.frame + 10, time=pose.time + 0.4), recipe)
    project.add_videos(
        [
            replace(row, path="/films/Anna 1.mp4", sha256="0", options=options)
            for row, options in zip(project.videos(), ("", "start=0.4 end=1.6"), strict=True)
        ]
    )
    labels = LabelFile("C:\\x\\Anna 1.mp4", [TimedPhase(0.2, 0.6, "up")])
    (tmp_path / "x.boris").write_text(writer("boris")[0](labels, "x"))
    read = import_labels(project, "boris", [tmp_path / "x.boris"], clip="Anna 1.mp4")
    assert [(item.video, item.status) for item in read] == [(film, "ok")]
    project.phases_path.unlink()
    read = import_labels(project, "boris", [tmp_path / "x.boris"], clip=part)
    assert project.phases()[part] == [Phase(10, 15, "up")]


@pytest.mark.parametrize("error", [RuntimeError("odd"), MemoryError(), OSError("odd")])
def test_labels_that_fail_unexpectedly_fail_alone(
    project: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    real = elan.write

    def broken(labels: LabelFile, stem: str) -> str:
        if stem == "a":
            raise error
        return real(labels, stem)

    monkeypatch.setattr(elan, "write", broken)
    command = ["export-labels", "elan", "--project", project.root, "--out", tmp_path]
    done = invoke(*command, code=ExitCode.PARTIAL)
    assert done.output.count("X001") == 1
    assert "Traceback" not in done.output
    assert [path.name for path in tmp_path.glob("*.eaf")] == ["b.eaf"]
    assert "Traceback" in next((project.root / "logs").glob("error-*.txt")).read_text()


def test_damaged_poses_and_a_coded_error_are_rows(
    project: StoredProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(labels: LabelFile, stem: str) -> str:
        raise UserError("no place", hint="make some", exit_code=ExitCode.MISMATCH, code="E003")

    monkeypatch.setattr(elan, "write", refused)
    project.pose_path("a").write_bytes(b"no poses")
    rows = export_labels(project, "elan", [], tmp_path)
    assert [(r.video, r.status, r.code) for r in rows] == [
        ("a", "failed", "E002"), ("b", "failed", "E003"),
    ]  # fmt: skip
    assert (rows[1].message, rows[1].hint) == ("no place", "make some")


@pytest.mark.parametrize(
    ("media", "code", "said"),
    [
        ("other.mp4", "I005", "the project has no clip of other.mp4"),
        ("Anna 1.mp4", "I003", "overlap"),
    ],
)
def test_what_does_not_fit_is_said(
    project: StoredProject, tmp_path: Path, media: str, code: str, said: str
):
    project.phases_path.unlink()
    spans = [TimedPhase(0.0, 1.0, "down"), TimedPhase(0.5, 1.5, "up")]
    (tmp_path / "x.eaf").write_text(writer("elan")[0](LabelFile(media, spans), "x"))
    (item,) = import_labels(project, "elan", [tmp_path / "x.eaf"])
    assert (item.status, item.code) == ("failed", code)
    assert said in item.message
    assert item.hint
    assert not project.phases_path.exists()


def test_the_clip_can_be_named(project: StoredProject, tmp_path: Path):
    project.phases_path.unlink()
    (tmp_path / "x.json").write_text(writer("via3")[0](LabelFile("other.mp4", SPANS), "x"))
    (item,) = import_labels(project, "via3", [tmp_path / "x.json"], clip="a")
    assert (item.video, item.status) == ("a", "ok")
    assert project.phases()["a"] == [
        Phase(0, 12, "down"), Phase(12, 20, "up & <rest>"), Phase(25, 37, "down"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["elan", "kinovea"])
def test_xml_holds_names_without_their_control_characters(tmp_path: Path, name: str):
    """Blanks that do not break, and those of full width, are not control characters."""
    form, ending = writer(name)
    spans = [
        TimedPhase(0.0, 0.5, "up\x00\x1b\x0c\ufffe"),
        TimedPhase(0.5, 1.0, "down\u00a01"),
        TimedPhase(1.0, 1.5, "上\u3000下"),
    ]
    path = tmp_path / f"a{ending}"
    path.write_text(form(LabelFile("films/a\x01.mp4", spans, fps=25.0, seconds=2.0), "a"))
    (labels,) = read_labels(name, path, "")
    assert labels.name == "a.mp4"
    assert [span.name for span in labels.phases] == ["up", "down 1", "上 下"]


# --- the tools' own readers ---------------------------------------------------------------------


def test_pympi_reads_what_elan_gets(tmp_path: Path):
    pympi = pytest.importorskip("pympi", reason="pympi-ling is not installed")
    rest = TimedPhase(2.0, 2.5, "rest", Origins(PROPAGATED, PERSON))
    labels = LabelFile("/films/Anna 1.mp4", [*SPANS, rest])
    (tmp_path / "a.eaf").write_text(writer("elan")[0](labels, "a"))
    eaf = pympi.Elan.Eaf(str(tmp_path / "a.eaf"))
    assert sorted(eaf.get_tier_names()) == ["origin", "phases"]
    found = sorted(row[:3] for row in eaf.get_annotation_data_for_tier("phases"))
    assert found[:3] == [(0, 600, "down"), (600, 1000, "up & <rest>"), (1250, 1850, "down")]
    assert found[3:] == [(2000, 2500, "rest")]
    notes = [row[:3] for row in eaf.get_ref_annotation_data_for_tier("origin")]
    assert notes == [(2000, 2500, "start carried at 2.0000 s")]
    assert eaf.get_linked_files()[0]["MEDIA_URL"] == "file:///films/Anna%201.mp4"


def test_kinovea_gets_key_images(project: StoredProject, tmp_path: Path):
    """b: frames 10 to 39 of 25 per second, which the film shows at half the speed."""
    (item,) = export_labels(project, "kinovea", ["b"], tmp_path)
    root = ElementTree.parse(item.path).getroot()
    said = {one.tag: one.text for one in root}
    assert said["FullPath"] == "/films/ben.mp4"
    assert said["AverageTimeStampsPerFrame"] == "1000"
    rate = float(said["UserFramerate"] or 0)
    second = rate * float(said["AverageTimeStampsPerFrame"] or 0)
    images = [(float(i.findtext("Position", "")) / second, i.findtext("Title"))
              for i in root.iterfind("Keyframes/Keyframe")]  # fmt: skip
    assert images == [(pytest.approx(0.8), "down"), (pytest.approx(1.6), "up")]
    assert float(said["SelectionEnd"] or 0) / second == pytest.approx(3.2 - 1 / rate)


KVA = """<?xml version="1.0" encoding="utf-8"?>
<KinoveaVideoAnalysis>
  <FormatVersion>2.0</FormatVersion>
  <Producer>Kinovea.0.9.5</Producer>
  <OriginalFilename>Anna 1</OriginalFilename>
  <FullPath>C:\\films\\Anna 1.mp4</FullPath>
  <ImageSize>640;480</ImageSize>
  <AverageTimeStampsPerFrame>{stamps}</AverageTimeStampsPerFrame>
  <CaptureFramerate>120</CaptureFramerate>
  <UserFramerate>29.97</UserFramerate>
  <FirstTimeStamp>{first}</FirstTimeStamp>
  <SelectionStart>{first}</SelectionStart>
  <Keyframes>
    <Keyframe id="1">
      <Position UserTime="0:00:01:00">{last}</Position><Title>up &amp; away</Title>
      <Drawings><Label id="2"><Text>not this</Text><Position>3;4</Position></Label></Drawings>
    </Keyframe>
    <Keyframe id="3"><Position UserTime="0:00:00:50">{middle}</Position>
      <Title>0:00:00:50</Title></Keyframe>
    <Keyframe id="4"><Position UserTime="0">{first}</Position><Title>down</Title></Keyframe>
    {more}
  </Keyframes>
</KinoveaVideoAnalysis>
"""


@pytest.mark.parametrize(("stamps", "second"), [(1001, 30_000), (33, 1000), (20, 600), (1, 29.97)])
def test_key_images_are_phases_until_the_next(tmp_path: Path, stamps: int, second: float):
    """Time bases of mp4, Matroska and QuickTime, and frames; not in order, one without a name."""
    first = 2002
    at = {"first": first, "middle": round(first + second / 2), "last": round(first + second)}
    more = f"<Keyframe><Position>{round(first + 2 * second)}</Position>"
    more += "<Title>end of up &amp; away</Title></Keyframe>"
    path = tmp_path / "x.kva"
    path.write_text(KVA.format(stamps=stamps, more=more, **at), "utf-8-sig")
    (labels,) = read_labels("kinovea", path, "")
    assert labels.name == "Anna 1.mp4"
    down, up = labels.phases
    frame = 1 / 29.97
    assert (down.name, up.name) == ("down", "up & away")
    assert (down.start, down.end) == (0, pytest.approx(1, abs=frame / 2))
    assert (up.start, up.end) == (down.end, pytest.approx(2, abs=frame / 2))


def test_the_last_key_image_lasts_to_the_end_of_each_clip(project: StoredProject, tmp_path: Path):
    project.phases_path.unlink()
    text = KVA.format(stamps=1001, first=0, middle=15_000, last=30_000, more="")
    (tmp_path / "x.kva").write_text(text)
    (item,) = import_labels(project, "kinovea", [tmp_path / "x.kva"])
    assert (item.video, item.status) == ("a", "ok")
    assert project.phases()["a"] == [Phase(0, 20, "down"), Phase(20, 37, "up & away")]


# --- files of other hands -----------------------------------------------------------------------

PROJECT = {
    "behaviors_conf": {
        "0": {"type": "State event", "code": "down"},
        "1": {"type": "Point event", "code": "blink"},
    },
    "observations": {
        "first": {
            "file": {"1": ["films/a.mp4"], "2": []},
            "time offset": 0.0,
            "events": [
                [0.5, "anna", "down", "", ""],
                [0.7, "anna", "blink", "", "", 21],
                [0.8, "ben", "down", "", ""],
                [1.5, "anna", "down", "", "", 45],
                [2.0, "ben", "down", "", ""],
            ],
        },
        "live": {"file": [], "type": "LIVE", "events": []},
    },
}


def test_a_project_of_boris_is_read_by_subject(tmp_path: Path):
    path = tmp_path / "x.boris"
    path.write_text(json.dumps(PROJECT))
    both, live = read_labels("boris", path)
    assert both.phases == [TimedPhase(0.5, 1.5, "down"), TimedPhase(0.8, 2.0, "down")]
    assert (both.name, live.phases) == ("a.mp4", [])
    assert read_labels("boris", path, "ben")[0].phases == [TimedPhase(0.8, 2.0, "down")]


ELAN = """<ANNOTATION_DOCUMENT><TIME_ORDER><TIME_SLOT TIME_SLOT_ID="a" TIME_VALUE="{time}"/>
</TIME_ORDER></ANNOTATION_DOCUMENT>"""
VIA = """{{"attribute": {{"1": {{"aname": "phase", "anchor_id": "FILE1_Z2_XY0", "options": {{}}}}}},
"file": {{"1": {{"fname": "a.mp4"}}}}, "view": {{"1": {{"fid_list": ["1"]}}}},
"metadata": {{"a": {{"vid": "1", "z": [0, {time}], "av": {{"1": "down"}}}}}}}}"""


def broken(changes: dict[str, Any]) -> str:
    content = json.loads(json.dumps(PROJECT))
    content["observations"]["first"] |= changes
    return json.dumps(content)


def kva(more: str) -> str:
    return KVA.format(stamps=1001, first=0, middle=15_000, last=30_000, more=more)


@pytest.mark.parametrize(
    ("format_name", "name", "text", "said"),
    [
        ("elan", "x.eaf", "<a/>", "not a valid ELAN file"),
        ("elan", "x.eaf", "<a", "not XML"),
        ("elan", "x.eaf", "<!DOCTYPE x [<!ENTITY y 'z'>]><ANNOTATION_DOCUMENT/>", "document type"),
        ("kinovea", "x.kva", "<a/>", "not a valid Kinovea file"),
        ("kinovea", "x.kva", "<!DOCTYPE x [<!ENTITY y 'z'>]><a/>", "document type"),
        ("kinovea", "x.kva", "<KinoveaVideoAnalysis/>", "stamps per frame"),
        (
            "kinovea",
            "x.kva",
            kva("<Keyframe><Position>1e999</Position></Keyframe>"),
            "not a file of Kinovea",
        ),
        ("kinovea", "x.kva", kva("<Keyframe/>"), "not a file of Kinovea"),
        ("boris", "x.boris", "[1]", "no JSON object"),
        ("boris", "x.boris", "{}", "not a file of BORIS"),
        ("boris", "x.boris", broken({"events": [[0.5, "", "down"]]}), "does not end"),
        ("boris", "x.boris", broken({"file": {"1": ["a", "b"]}}), "2 videos in a row"),
        ("via3", "x.json", "{}", "not a file of VIA 3"),
        ("via3", "x.json", "[" * 100_000, "not JSON"),
        ("via3", "x.json", "\xff", "not UTF-8"),
        ("elan", "x.eaf", ELAN.format(time="9" * 400), "not a file of ELAN"),
        ("boris", "x.boris", broken({"time offset": 10**400}), "not a file of BORIS"),
        ("boris", "x.boris", broken({"events": [[10**400, "", "down"]]}), "not a file of BORIS"),
        ("via3", "x.json", VIA.format(time="9" * 400), "not a file of VIA 3"),
        (
            "kinovea",
            "x.kva",
            kva("").replace(">1001<", ">1e-323<").replace(">29.97", ">0.01"),
            "stamps per frame",
        ),
    ],
)
def test_a_broken_file_is_named_and_leaves_the_others(
    project: StoredProject, tmp_path: Path, format_name: str, name: str, text: str, said: str
):
    path = tmp_path / name
    path.write_bytes(text.encode("latin-1"))
    (item,) = import_labels(project, format_name, [path])
    assert (item.status, item.code) == ("failed", "I001")
    assert said in item.message
    assert name in item.message
