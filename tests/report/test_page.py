from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

from bench.report.data import ReportData
from bench.report.page import render_page
from bench.report.sections import SECTIONS
from bench.report.wording import NARROW_SPACE

VOID = {"meta", "link", "br", "img", "input", "hr"}
SVG_LEAVES = {"path", "use", "rect", "image", "circle", "line"}


class Page(HTMLParser):
    """Tags, ids and visible text of a page; fails on tags that do not nest."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.ids += [value for name, value in attrs if name == "id" and value is not None]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"[ \n\t]+", " ", " ".join(self.words))

    def values(self, *names: str) -> list[str]:
        return [
            value for _, attrs in self.tags for n, value in attrs.items() if n in names and value
        ]


def page_of(folder: Path) -> str:
    return render_page(ReportData.load(folder))


def section(page: str, anchor: str) -> str:
    """HTML of one section."""
    start = page.index(f'<section id="{anchor}"')
    return page[start : page.index("</section>", start)]


def rows(part: str) -> list[list[str]]:
    """Text of the cells of every table row in a piece of HTML."""
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", part, flags=re.DOTALL):
        cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, flags=re.DOTALL)
        found.append([html.unescape(re.sub(r"<[^>]+>", " ", cell)).strip() for cell in cells])
    return found


@pytest.fixture(scope="module")
def page(run60: Path) -> str:
    return page_of(run60)


def test_every_section_is_there_once_and_in_order(page: str) -> None:
    places = [page.index(f'<section id="{s.anchor}"') for s in SECTIONS]
    assert places == sorted(places)
    assert [s.anchor for s in SECTIONS] == [
        "result",
        "metrics",
        "over-time",
        "distribution",
        "breakdown",
        "utterances",
        "settings",
        "turns",
        "errors",
        "instrument",
        "configuration",
    ]


def test_the_page_is_well_formed_and_its_ids_are_unique(page: str) -> None:
    parsed = Page(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert len(parsed.ids) > 20


def test_every_reference_inside_the_page_has_its_target(page: str) -> None:
    parsed = Page(page)
    wanted = re.findall(r"url\(#([^)]+)\)", page)
    wanted += [v[1:] for v in parsed.values("href") if v.startswith("#")]
    wanted += parsed.values("aria-labelledby", "aria-describedby")
    assert wanted
    assert set(wanted) <= set(parsed.ids)


def test_nothing_is_asked_from_anywhere(page: str) -> None:
    parsed = Page(page)
    for value in parsed.values("src", "href", "xlink:href", "srcset", "poster", "action", "data"):
        assert value.startswith(("#", "data:")), value
    assert all(re.match(r"['\"]?(#|data:)", v) for v in re.findall(r"url\(\s*([^)]+)", page))
    assert "@import" not in page
    assert not {"script", "iframe", "object", "embed", "form", "base"} & {
        t for t, _ in parsed.tags
    }
    assert not [n for _, attrs in parsed.tags for n in attrs if n.startswith("on")]
    assert "http://" not in page
    assert "https://" not in page
    assert "default-src 'none'" in page


def test_the_same_run_gives_the_same_bytes(run60: Path, page: str) -> None:
    assert page_of(run60) == page


def test_metrics_on_the_page_are_those_of_the_summary(run60: Path, page: str) -> None:
    summary = json.loads((run60 / "summary.json").read_text())
    table = {row[0]: row for row in rows(section(page, "metrics"))}
    ttfa = summary["metrics"]["ttfa_ms"]
    row = table["Time to first audio"]
    assert row[1:5] == ["ms", str(ttfa["n"]), str(ttfa["missing"]), str(ttfa["censored"])]
    assert row[5] == f"{ttfa['p50']['value']:.0f}"
    value = f"{ttfa['p95']['value']:,.0f}".replace(",", NARROW_SPACE)
    assert row[6] == f"{value} N < 200"
    assert row[8] == f"{ttfa['min']:.0f}"
    assert row[9] == f"{ttfa['max']:,.0f}".replace(",", NARROW_SPACE)
    assert len(table) == len(summary["metrics"]) + 1


def test_a_percentile_on_a_censored_value_reads_more_than(page: str) -> None:
    table = {row[0]: row for row in rows(section(page, "metrics"))}
    assert (
        table["Time to first audio"][7]
        == f">{NARROW_SPACE}10{NARROW_SPACE}000 N < 1{NARROW_SPACE}000"
    )


def test_the_headline_says_both_numbers_and_what_went_wrong(run60: Path, page: str) -> None:
    summary = json.loads((run60 / "summary.json").read_text())
    text = Page(section(page, "result") + "</section>").text
    for name in ("ttfa_ms", "voice_to_voice_ms"):
        for which in ("p50", "p95"):
            value = summary["metrics"][name][which]["value"]
            assert f"{value:,.0f}".replace(",", NARROW_SPACE) in text
    assert "VALID" in text
    assert "INVALID" not in text
    assert "1 (1.7\u202f%) failed and 1 (1.7\u202f%) was cut off" in text
    assert "58 ok, 1 cut_off, 1 no_reply" in text


def test_an_invalid_run_leads_with_its_reasons(
    synthetic_run: Callable[..., Path], synthetic: ModuleType
) -> None:
    folder = synthetic_run()
    reason = "p99 lateness is 42.0 ms, limit 10 ms: frames left rtbench late."
    synthetic.edit_json(
        folder / "summary.json",
        lambda s: s.update(validity={"valid": False, "reasons": [reason, "<second>"]}),
    )
    page = page_of(folder)
    assert page.index("INVALID") < page.index("Time to first audio")
    assert reason in page
    assert "&lt;second&gt;" in page


def test_a_valid_run_says_what_is_worth_a_look_and_what_the_target_held_back(
    synthetic_run: Callable[..., Path], synthetic: ModuleType
) -> None:
    folder = synthetic_run()

    def change(summary: dict) -> None:
        summary["validity"]["warnings"] = ["Worker <w0> used much."]
        summary["pacing"]["held_back"] |= {"frames": 40, "sessions": 2}

    synthetic.edit_json(folder / "summary.json", change)
    page = page_of(folder)
    text = Page(page).text
    assert "INVALID" not in text
    assert text.index("Worth a look all the same:") < text.index("Time to first audio")
    assert "Worker &lt;w0&gt; used much." in page
    assert "The target held back 40 frames of 2 sessions" in section(page, "instrument")


def test_the_waterfalls_show_the_turns_they_name(run60: Path, page: str) -> None:
    turns = ReportData.load(run60)
    heard = turns.latency_turns.dropna(subset=["ttfa_ms"]).sort_values("ttfa_ms")
    part = section(page, "turns")
    titles = re.findall(r"<h3>(.*?)</h3>", part)
    assert titles == [
        "The median turn",
        "The turn at p95",
        "The slowest turn",
        "no_reply: the failed turn",
        "The turn cut off",
        "Recordings",
    ]
    worst = heard.iloc[-1]
    assert f"Session {worst.session_id}, turn {worst.turn_index}" in part
    drawn = re.findall(r"<figure.*?</figure>", part, flags=re.DOTALL)
    for metric in ("ttfa_ms", "endpointing_delay_ms", "response_latency_ms", "voice_to_voice_ms"):
        value = f"{worst[metric]:,.0f}".replace(",", NARROW_SPACE)
        assert f">{value}{NARROW_SPACE}ms</text>" in drawn[2]
    assert "never stopped" in drawn[3]
    assert "pause 850" in drawn[4]
    assert "while the caller still spoke" in drawn[4]


def test_every_figure_has_a_title_a_description_and_a_table(page: str) -> None:
    figures = re.findall(r"<figure.*?</figure>", page, flags=re.DOTALL)
    names = re.findall(r'<figure id="figure-([^"]+)"', page)
    assert len(names) == len(figures)
    assert [name for name in names if not name.startswith("waterfall")] == [
        "over-time",
        "heat-map",
        "distribution",
        "percentiles",
        "breakdown",
        "pacing",
    ]
    for figure in figures:
        assert "<h3>" in figure
        assert 'role="img"' in figure
        assert "<text" in figure  # text stays text
        assert re.search(r"<figcaption[^>]*>[^<]*\d", figure)
        assert "<details>" in figure
        assert len(rows(figure)) > 1
        described = re.search(r'aria-describedby="([^"]+)"', figure)
        assert described is not None
        assert f'<figcaption id="{described[1]}"' in figure


def test_figures_take_their_colours_from_the_page(page: str) -> None:
    for svg in re.findall(r"<svg.*?</svg>", page, flags=re.DOTALL):
        outside_pixels = re.sub(r"data:image[^\"]*", "", svg)
        assert re.findall(r"#[0-9a-f]{6}\b", outside_pixels) == []
        assert "var(--" in svg
        assert "font-family" not in svg


HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}</style>\u202e\x1b[31m\x00\ud800$x^2$"


def test_strings_from_outside_stay_text(
    synthetic_run: Callable[..., Path], synthetic: ModuleType
) -> None:
    folder = synthetic_run(outcomes={20: "cut_off", 33: "no_reply"})

    def poison_summary(summary: dict) -> None:
        first, *_ = summary["by_utterance"]
        summary["by_utterance"][HOSTILE] = summary["by_utterance"][first]
        summary["metrics"][HOSTILE] = summary["metrics"]["ttfa_ms"]
        summary["turns"]["outcomes"][HOSTILE] = 3
        summary["rtbench_version"] = HOSTILE
        summary["validity"] = {"valid": False, "reasons": [HOSTILE], "warnings": [HOSTILE]}
        summary["errors"] = [
            {"class": HOSTILE, "message": HOSTILE, "count": 2, "first_s": None, "last_s": 1.5}
        ]
        summary["unattributed"] = {"count": 1, "examples": [{"kind": HOSTILE}]}

    def poison_run(run: dict) -> None:
        for key in ("run_id", "target", "dialect", "model", "command", "started_at"):
            run[key] = HOSTILE
        run["scenario"] = {"classes": [HOSTILE], "files": [HOSTILE]}
        run["options"] = {HOSTILE: {HOSTILE: [HOSTILE]}}
        run["environment"] = {HOSTILE: HOSTILE}
        run["utterances"] = {HOSTILE: HOSTILE}
        stall = {"begin_ns": 0, "ms": 9.0, "cause": HOSTILE, "session_id": HOSTILE}
        tally = {"count": 1, "total_ms": 9.0, "worst_ms": 9.0}
        stalls = {"by_cause": {HOSTILE: tally}, "worst": [stall]}
        run["workers"] = {HOSTILE: {"host": HOSTILE, "ended": HOSTILE, "stalls": stalls}}

    synthetic.edit_json(folder / "summary.json", poison_summary)
    synthetic.edit_json(folder / "run.json", poison_run)
    data = ReportData.load(folder)
    data.turns["utterance"] = HOSTILE.replace("\ud800", "")
    page = render_page(data)
    page.encode("utf-8")
    assert "<script" not in page
    assert "49" not in re.findall(r"alert\(1\)[^<]{0,40}", page)[0]
    assert "{{7*7}}" in page
    assert page.count("</style>") == 1
    assert not re.search("[\x00-\x08\x0b-\x1f\u202e]", page)
    assert "\\x1b[31m" in page
    parsed = Page(page)
    assert "<script>alert(1)</script>" in parsed.text


@pytest.mark.parametrize(
    ("turns", "words"),
    [
        ({7}, "1 turn is left out of every latency because the label of its clip awaits review"),
        ({7, 8}, "2 turns are left out of every latency because the label of their clip awaits"),
    ],
)
def test_turns_of_unreviewed_clips_are_told_in_the_headline_and_drawn_apart(
    synthetic_run: Callable[..., Path], turns: set[int], words: str
) -> None:
    folder = synthetic_run(unreviewed=frozenset(turns))
    page = page_of(folder)
    text = " ".join(Page(page).text.split())
    assert words in text
    assert "rtbench fixtures review" in text
    assert f"cold, warm-up, unreviewed, {10 + len(turns)}" in page
    assert len(ReportData.load(folder).latency_turns) == 60 - 10 - len(turns) - 1  # cut off


def test_the_headline_does_not_speak_of_labels_when_all_count(run60: Path) -> None:
    page = page_of(run60)
    assert "awaits review" not in page
    assert "cold or warm-up, 10" in page


def test_a_run_without_turns_says_so(synthetic_run: Callable[..., Path]) -> None:
    page = page_of(synthetic_run(sessions=0))
    Page(page)
    assert "<svg" not in page
    assert "No turn was started." in page
    for words in ("no latency to draw", "at least two", "nothing to take apart", "No frame"):
        assert words in page


def test_a_run_of_one_turn_shows_what_it_can(synthetic_run: Callable[..., Path]) -> None:
    page = page_of(synthetic_run(sessions=1, turns_per_session=1, outcomes={}))
    Page(page)
    assert "No measured turn got any audio" in page  # its only turn is cold
    page = page_of(synthetic_run(sessions=1, turns_per_session=2, outcomes={}))
    Page(page)
    assert "The only measured turn" in page
    assert "needs at least two measured turns" in page
    assert "1 measured turn with audio" in page


@pytest.mark.parametrize(
    ("turns", "drawn"),
    [
        (0, set()),
        (1, set()),
        (5, {"over-time", "distribution", "percentiles", "breakdown"}),
    ],
)
def test_each_place_of_a_figure_has_it_or_says_why_not(
    synthetic_run: Callable[..., Path], turns: int, drawn: set[str]
) -> None:
    page = page_of(synthetic_run(sessions=min(turns, 1), turns_per_session=turns, outcomes={}))
    Page(page)
    parts = [section(page, anchor) for anchor in ("over-time", "distribution", "breakdown")]
    assert set(re.findall(r"<figure id=\"figure-([^\"]+)\"", "".join(parts))) == drawn
    for part, places in zip(parts, (2, 2, 1), strict=True):
        reasons = re.findall(r"<h3>[^<]+</h3>\s*<p>[^<]{30,}</p>", part)
        assert part.count("<figure") + len(reasons) == places
    for anchor in ("settings", "turns", "errors", "instrument"):
        assert len(Page(section(page, anchor) + "</section>").text) > 60


def test_a_run_of_failures_only_is_told_in_words(synthetic_run: Callable[..., Path]) -> None:
    page = page_of(
        synthetic_run(
            sessions=2, turns_per_session=2, outcomes=dict.fromkeys(range(4), "no_reply")
        )
    )
    Page(page)
    assert "no latency to report" in page
    assert "no_reply: the longest wait of 4 failed turns" in page
    assert "4 (100.0\u202f%) failed" in page
    assert "No measured turn got any audio, so there is no latency to draw." in page


def test_a_baseline_without_events_and_appends_still_renders(
    synthetic_run: Callable[..., Path],
) -> None:
    folder = synthetic_run()
    (folder / "events.parquet").unlink()
    (folder / "appends.parquet").unlink()
    page = page_of(folder)
    Page(page)
    assert page.count("(a baseline)") == 3
    assert page.count("<svg") == 5
    assert "open at once" not in page
    assert "Sessions and errors are not recorded here; 1 failed turn." in page


def test_one_whole_reply_among_failures_is_not_called_the_only_turn(
    synthetic_run: Callable[..., Path],
) -> None:
    page = page_of(synthetic_run(sessions=1, turns_per_session=3, outcomes={2: "no_reply"}))
    assert "The only measured turn" not in page
    assert "The only turn heard to its end" in page


def test_turns_cut_off_are_not_among_the_half_that_was_fast(run60: Path) -> None:
    assert "Half of the measured turns that were not cut off had their first audio" in page_of(
        run60
    )


def test_many_turns_are_drawn_as_pixels(synthetic_run: Callable[..., Path]) -> None:
    page = page_of(synthetic_run(sessions=45, turns_per_session=50, outcomes={}))
    assert page.count("data:image/png;base64,") >= 1
    assert len(page) < 1_500_000
    Page(page)


def test_what_this_version_does_not_know_is_shown_bare(
    synthetic_run: Callable[..., Path], synthetic: ModuleType
) -> None:
    folder = synthetic_run(outcomes={20: "cut_off", 33: "no_reply", 40: "vanished"})

    def add(summary: dict) -> None:
        summary["metrics"]["novel_ms"] = summary["metrics"]["ttfa_ms"]

    synthetic.edit_json(folder / "summary.json", add)
    page = page_of(folder)
    assert "novel_ms" in page
    assert "vanished" in page
    assert "Not known to this version of rtbench." in page


def test_rates_are_shown_with_hits_and_whom_they_could_have_hit(
    synthetic_run: Callable[..., Path],
) -> None:
    folder = synthetic_run()
    summary = json.loads((folder / "summary.json").read_text())
    summary["rates"] = {
        "false_turn": {"value": 0.25, "low": 0.0912, "high": 0.53, "hits": 3, "n": 12},
        "missed_turn": {"value": None, "low": None, "high": None, "hits": 0, "n": 0},
    }
    (folder / "summary.json").write_text(json.dumps(summary))
    page = page_of(folder)
    part = section(page, "metrics")
    assert rows(part[part.index("How often things went wrong") :])[1:] == [
        ["Turns missed", "0", "0", "\u2013", "\u2013"],
        ["False turns", "3", "12", "25.0\u202f%", "9.12 \u2013 53.0\u202f%"],
    ]
    assert "None is better" not in page
