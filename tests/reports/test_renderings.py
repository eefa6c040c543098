"""PDF, CSV matrix, Allure results: the same record gives the same bytes, and says the same."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import zlib
from typing import TYPE_CHECKING

import pytest

from reports import allure_results, html, matrix, pdf
from reports.record import Case, Deviation, Run, RunRecord
from reports.verdict import Verdict
from tests.reports.sample import record as acceptance

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_the_matrix_has_a_row_for_every_requirement() -> None:
    """Verified or not: a filter on the verdict shows the gaps too."""
    record = acceptance()
    rows = list(csv.DictReader(io.StringIO(matrix.render(record))))
    assert len(rows) == len(record.requirements) + len(record.not_verified)
    by_id = {row["requirement"]: row for row in rows}
    for requirement in record.requirements:
        assert by_id[requirement.id]["verdict"] == requirement.verdict.value
        assert (by_id[requirement.id]["met"] == "yes") is requirement.met


def test_a_cell_is_never_a_formula() -> None:
    """What a target says may begin with an equals sign; a spreadsheet must not run it."""
    case = Case(
        id="x", title="x", requirements=("REG-V.1",), verdict=Verdict.FAIL, reason='=cmd("calc")'
    )
    run = Run(title="x", tool_version="0", seed="1", backend="sim")
    assert "'=cmd" in matrix.render(RunRecord.assemble(run, [case]))


def test_allure_results_say_the_verdict_in_full(tmp_path: Path) -> None:
    """Five statuses for six verdicts: the label has the word, and the folder is repeatable."""
    record = acceptance()
    assert allure_results.write(record, tmp_path / "a") == len(record.cases)
    allure_results.write(record, tmp_path / "b")
    names = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "b").iterdir())
    found = {}
    for path in (tmp_path / "a").glob("*-result.json"):
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
        document = json.loads(path.read_text(encoding="utf-8"))
        labels = {one["name"]: one["value"] for one in document["labels"]}
        found[document["fullName"]] = (document["status"], labels["verdict"])
    for case in record.cases:
        status, word = found[case.id]
        assert word == case.verdict.value.lower()
        assert (status == "passed") is (case.verdict is Verdict.PASS)
    assert (tmp_path / "a" / "environment.properties").read_text().startswith("verdict=FAIL\n")


def streams(data: bytes) -> Iterator[bytes]:
    """The streams of a PDF, unpacked."""
    for piece in data.split(b"stream\n")[1:]:
        with contextlib.suppress(zlib.error):
            yield zlib.decompressobj().decompress(piece)


def test_the_pdf_is_repeatable_and_fetches_nothing() -> None:
    """Two settings of one record are equal bytes; a report calls nobody."""
    record = acceptance()
    first = pdf.render(record)
    assert first.startswith(b"%PDF-1.7")
    assert first == pdf.render(record)
    assert b"pdfaid" in first + b"".join(streams(first))
    with pytest.raises(ValueError, match="fetches nothing"):
        pdf._refuse("http://127.0.0.1/")


def test_the_page_has_statement_and_deviations() -> None:
    """What the device claims, and what somebody has accepted, with owner and last day."""
    record = acceptance().model_copy(
        update={
            "statement": {"device": "Gateway <7>", "claims udp": "no"},
            "deviations": (
                Deviation(
                    id="REG-V.2",
                    reason="the maker mends it in 1.31",
                    owner="lab",
                    expires="2027-01-31",
                    state="expired",
                ),
            ),
        }
    )
    page = html.render(record)
    assert "Gateway &lt;7&gt;" in page
    for words in ("the maker mends it in 1.31", "2027-01-31", "expired"):
        assert words in page
