"""The HTML page: self-contained, without script, everything said, everything escaped."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import html
from reports.record import Case, Measurement, Run, RunRecord
from reports.verdict import Verdict
from tests.reports import sample

VOID = {"meta", "link", "br", "hr", "img", "input", "line", "rect"}


class Page(HTMLParser):
    """Checks that tags close in order, and collects tags, attributes, ids and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data


PAGE = html.render(sample.record())


def test_no_script_and_no_network() -> None:
    """The page runs nothing and fetches nothing, and forbids itself to."""
    page = Page(PAGE)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(page.tags)
    names = {name for name, _ in page.attributes}
    assert not {name for name in names if name.startswith("on")}
    assert not {"src", "srcset", "action", "background"} & names
    assert all((v or "").startswith("#") for n, v in page.attributes if n == "href")
    assert not re.search(r"url\(|@import|https?:", PAGE)
    assert ("content", "default-src 'none'; style-src 'unsafe-inline'") in page.attributes


def test_anchors_lead_somewhere() -> None:
    """Every link of the contents has its place, and no id is given twice."""
    page = Page(PAGE)
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {(value or "")[1:] for name, value in page.attributes if name == "href"}
    assert links <= set(ids)


def test_hostile_texts_are_escaped() -> None:
    """Text of a meter is text on the page."""
    assert "<script" not in PAGE
    assert sample.HOSTILE in Page(PAGE).text


def test_everything_is_said() -> None:
    """Verdicts, reasons, registers, evidence, measurements, gaps and hashes are on the page."""
    record = sample.record()
    text = re.sub(r"\s+", " ", Page(PAGE).text)
    for case in record.cases:
        assert case.title in text
        assert case.id in text
        assert case.reason in text
        assert all(one.content in text for one in case.evidence)
    for table in record.meters:
        for row in table.rows:
            assert " ".join(f"{word:04X}" for word in row.registers) in text
            assert row.seen in text
    for judged in record.requirements:
        assert judged.id in text
        assert judged.text in text
    assert all(gap.id in text and gap.reason in text for gap in record.not_verified)
    assert all(trace.sha256 in text for trace in record.traces)
    assert "0.82 ms" in text
    assert "at most 100 ms" in text
    assert "± 0.05 ms" in text
    assert "Of 12 cases 2 failed, 1 proved nothing, 1 could not be run, 7 passed" in text
    assert "1 min 36 s" in text


def test_failures_come_first() -> None:
    """Findings, tables with differences and failing cases stand before the rest."""
    text = Page(PAGE[PAGE.index("<main>") : PAGE.index("</main>") + 7]).text
    assert text.index("the registers are in reverse order") < text.index("Requirements\n")
    registers = text[text.index("Register map") :]
    assert registers.index("water-1") < registers.index("heat-2") < registers.index("heat-1")


@pytest.mark.parametrize(
    ("minimum", "maximum", "text"),
    [
        (1.0, 2.0, "1 to 2 s"),
        (1.0, None, "at least 1 s"),
        (None, 2.0, "at most 2 s"),
        (None, None, ""),
    ],
)
def test_limits(minimum: float | None, maximum: float | None, text: str) -> None:
    """The limits that were declared for a measurement stand beside it."""
    run = Run(title="t", tool_version="0", seed="1", backend="sim")
    measured = Measurement(name="n", value=1.5, unit="s", minimum=minimum, maximum=maximum)
    case = Case(id="a", title="t", verdict=Verdict.PASS, measurements=(measured,))
    page = html.render(RunRecord.assemble(run, [case]))
    assert f'<td class="num">1.5 s</td><td class="num">{text}</td>' in page


def test_same_record_same_bytes() -> None:
    """Rendering twice gives the same page."""
    assert html.render(sample.record()) == PAGE


def test_empty_record() -> None:
    """A run for which nothing was selected gives a page that says so, without empty sections."""
    run = Run(title="nothing", tool_version="0", seed="", backend="network")
    page = Page(html.render(RunRecord.assemble(run, [])))
    assert "No case was selected: nothing is known." in page.text
    assert "h2" not in page.tags


def test_all_passed() -> None:
    """A run without a finding says that plainly."""
    run = Run(title="good", tool_version="0", seed="1", backend="sim")
    cases = [Case(id=str(n), title="t", verdict=Verdict.PASS) for n in range(3)]
    assert "All 3 cases passed." in Page(html.render(RunRecord.assemble(run, cases))).text
    assert "The case passed." in html.render(RunRecord.assemble(run, cases[:1]))


@given(st.text(), st.text(min_size=1))
def test_any_text_keeps_the_page_well_formed(reason: str, title: str) -> None:
    """Whatever a reason or a title holds, the page stays one page."""
    run = Run(title=title, tool_version="0", seed="1", backend="sim", facts={"x": reason})
    case = Case(id="a", title=title, verdict=Verdict.FAIL, reason=reason + "!")
    page = Page(html.render(RunRecord.assemble(run, [case])))
    assert "FAIL" in page.text
