"""Figures are stored before they are drawn, the same way every time, and whole or not at all."""

import json
import os
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure as Canvas

from paper_figures.figures.catalogue import FIGURES
from paper_figures.pages.gallery import gallery
from paper_figures.workshop.build import Caption, Figure, Settings, build, make, render, select
from paper_figures.workshop.data import Dataset, Variable, load
from paper_figures.workshop.pools import run_lanes
from simulations.machine.provenance import commit
from theory.arrays import InputError

pytestmark = pytest.mark.once

BEFORE = set(os.environ)


def compute(settings: Settings) -> Dataset:
    rng = np.random.default_rng(settings.seed)
    walk = np.cumsum(rng.standard_normal(5 if settings.quick else 50))
    return Dataset(
        {"walk": Variable(("step",), walk, "a random walk")}, attrs={"last": float(walk[-1])}
    )


def draw(canvas: Canvas, data: Dataset) -> None:
    axes = canvas.subplots()
    axes.plot(data["walk"])
    axes.set(xlabel="step", ylabel=r"walk $\sigma_1\sigma_2$")


def broken_draw(_canvas: Canvas, _data: Dataset) -> None:
    raise RuntimeError("no ink")


WALK = Figure(
    name="walk",
    title="A walk <&>",
    caption="The walk ends at {last:.3f}; an end above 1e9 would refute it.",
    compute=compute,
    draw=draw,
    refuted=lambda data: bool(data["walk"][-1] > 1e9),
)
BROKEN = Figure("broken", "t", "c", compute, broken_draw, lambda data: True)


def test_two_builds_give_the_same_bytes(tmp_path: Path) -> None:
    first = build(WALK, out=tmp_path / "one", seed=3)
    second = build(WALK, out=tmp_path / "two", seed=3)
    assert [path.suffix for path in first] == [".json", ".pdf", ".png"]
    for one, two in zip(first, second, strict=True):
        assert one.read_bytes() == two.read_bytes(), one.suffix


def test_another_seed_gives_other_data(tmp_path: Path) -> None:
    one, two = (build(WALK, out=tmp_path / str(seed), seed=seed)[0] for seed in (0, 1))
    assert not np.array_equal(load(one)["walk"], load(two)["walk"])


def test_quick_reaches_compute(tmp_path: Path) -> None:
    stored = load(build(WALK, out=tmp_path, quick=True)[0])
    assert stored.sizes["step"] == 5
    assert stored.attrs["command"].endswith("--quick")


def test_the_picture_depends_on_the_stored_file_alone(tmp_path: Path) -> None:
    stored, _, png = build(WALK, out=tmp_path, seed=3)
    again = tmp_path / "again"
    again.mkdir()
    assert render(WALK, stored, into=again)[1].read_bytes() == png.read_bytes()
    stored.write_text(re.sub(r'"data": \[[^,]*,', '"data": [99.0,', stored.read_text(), count=1))
    assert render(WALK, stored, into=again)[1].read_bytes() != png.read_bytes()


def test_a_users_own_plot_settings_do_not_leak_in(tmp_path: Path) -> None:
    import matplotlib

    plain = build(WALK, out=tmp_path / "plain")[2].read_bytes()
    with matplotlib.rc_context({"lines.linewidth": 9, "font.size": 20, "savefig.dpi": 30}):
        assert build(WALK, out=tmp_path / "own")[2].read_bytes() == plain


def test_the_record_says_how_to_repeat_the_run_and_neither_when_nor_where(tmp_path: Path) -> None:
    stored = build(WALK, out=tmp_path, seed=3)[0]
    attrs = load(stored).attrs
    assert attrs["seed"] == 3
    assert attrs["command"] == "oversmooth figures walk --seed 3"
    assert attrs["commit"] == commit()
    assert attrs["numpy"] == np.__version__
    assert attrs["caption"] == WALK.caption.format(last=attrs["last"])
    assert attrs["refuted"] is False
    for path in build(WALK, out=tmp_path, seed=3)[:2]:
        assert str(tmp_path).encode() not in path.read_bytes()
    assert b"CreationDate" not in path.read_bytes()


def test_a_figure_that_fails_leaves_no_file_and_does_not_cost_the_others(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    outcomes = make(
        [BROKEN, WALK], out=tmp_path, on_progress=lambda name, event: events.append((name, event))
    )
    assert [outcome.error for outcome in outcomes] == ["RuntimeError: no ink", None]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["walk.json", "walk.pdf", "walk.png"]
    assert events == [
        ("broken", "start"),
        ("broken", "failed"),
        ("walk", "start"),
        ("walk", "done"),
    ]


def test_a_failed_rebuild_keeps_the_previous_files(tmp_path: Path) -> None:
    before = [path.read_bytes() for path in build(WALK, out=tmp_path)]
    worse = Figure("walk", "t", "c", compute, broken_draw, lambda data: False)
    assert make([worse], out=tmp_path, seed=9)[0].error
    assert [(tmp_path / f"walk{s}").read_bytes() for s in (".json", ".pdf", ".png")] == before


def test_an_output_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match="out must be a folder"):
        make([WALK], out=tmp_path / "taken")


def test_unknown_names_are_refused_all_at_once_with_what_was_meant() -> None:
    catalogue = {"walk": WALK, "broken": BROKEN}
    with pytest.raises(InputError, match=r"'wlak'; did you mean 'walk'\?, 'zzz'"):
        select(catalogue, ["wlak", "walk", "zzz"])
    assert select(catalogue, []) == [WALK, BROKEN]
    assert select(catalogue, ["broken", "walk"]) == [WALK, BROKEN]


def test_the_gallery_shows_what_was_built_and_names_what_was_not(tmp_path: Path) -> None:
    make([WALK, BROKEN], out=tmp_path)
    page = gallery([WALK, BROKEN], out=tmp_path).read_text()
    assert "A walk &lt;&amp;&gt;" in page
    assert "Not built: broken" in page
    assert load(tmp_path / "walk.json").attrs["caption"] in page
    assert "refute the caption" not in page


def test_the_gallery_says_so_when_data_refute_a_caption(tmp_path: Path) -> None:
    wrong = Figure("wrong", "t", "c", compute, draw, lambda data: True)
    assert make([wrong], out=tmp_path)[0].refuted
    assert "refute the caption" in gallery([wrong], out=tmp_path).read_text()


def test_every_link_of_the_gallery_is_relative_and_leads_to_a_file(tmp_path: Path) -> None:
    build(WALK, out=tmp_path)
    page = gallery([WALK], out=tmp_path).read_text()
    assert "://" not in page
    links = re.findall(r'(?:href|src)="([^"]*)"', page)
    assert len(links) == 5
    for link in links:
        assert (tmp_path / link).is_file()


def test_stored_text_is_one_json_object(tmp_path: Path) -> None:
    raw = json.loads(build(WALK, out=tmp_path)[0].read_text())
    assert set(raw) == {"coords", "data_vars", "attrs", "dims"}


def test_another_process_gives_what_this_one_gives(tmp_path: Path) -> None:
    events: list[tuple[str, str]] = []
    figures = [FIGURES["fig4"]]
    outcomes = make(
        figures,
        out=tmp_path / "apart",
        parallel=True,
        on_progress=lambda name, event: events.append((name, event)),
    )
    assert [outcome.error for outcome in outcomes] == [None]
    assert events == [("fig4", "start"), ("fig4", "done")]
    here = make(figures, out=tmp_path / "here")[0]
    # not bit by bit: in this process more threads may have added in another order
    drawn = [outcomes[0].files[0], here.files[0]]
    first, second = (load(path)["distance"] for path in drawn)
    assert first == pytest.approx(second, rel=1e-9)


def test_the_shortest_figures_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def note(lanes: list[list[Figure]], *_: object, **__: object) -> None:
        asked.extend([figure.name for figure in lane] for lane in lanes)

    monkeypatch.setattr("paper_figures.workshop.build.run_lanes", note)
    long, short = replace(WALK, name="long", seconds=9.0), replace(WALK, name="short", seconds=0.1)
    model = replace(WALK, name="model", packages=("numpy",), seconds=99.0)
    with pytest.raises(KeyError):  # nothing was built
        make([long, WALK, model, short], out=tmp_path, parallel=True)
    assert asked == [["model"], ["short", "walk", "long"]]


def _die(_task: int) -> int:
    os._exit(9)


def test_a_process_that_dies_is_reported_for_each_of_its_tasks() -> None:
    found: dict[int, str] = {}
    run_lanes(
        [[1, 2]],
        _die,
        failed=lambda task, error: -task,
        on_start=lambda task: None,
        on_end=lambda task, result: found.update({task: str(result)}),
    )
    assert found == {1: "-1", 2: "-2"}
    assert "OMP_NUM_THREADS" not in set(os.environ) - BEFORE


@pytest.mark.parametrize(
    ("template", "value", "wanted"),
    [
        ("{x:.2f}", 0.3344, "0.33"),
        ("{x:.2f-up}", 0.3344, "0.34"),
        ("{x:.2f-down}", 2.9799, "2.97"),
        ("{x:.2g-up}", 0.3301, "0.34"),
        ("{x:.3g-down}", 84.29, "84.2"),
        ("{x:.2f-up}", 0.25, "0.25"),
    ],
)
def test_captions_round_outward_where_they_state_a_bound(
    template: str, value: float, wanted: str
) -> None:
    assert Caption().vformat(template, (), {"x": value}) == wanted
