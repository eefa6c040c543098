"""The catalogue: complete against the project's vocabulary, well formed, one sentence each."""

from __future__ import annotations

import re

import pytest

from reports.record import statements
from scenarios import requirements
from scenarios.checks import fields
from scenarios.compliance import suite, targets

CATALOGUE = requirements.load()
#: Where a statement may show that no case can decide.
PLACES = {"on a page", "in a service", "at the terminals"}

#: Every id of the vocabulary, as ranges; the order of the catalogue is free.
VOCABULARY = {
    *(f"NET-{n:02}" for n in range(1, 11)),
    "LED-01", "LED-02",
    *(f"WEB-{n:02}" for n in range(1, 9)),
    *(f"GEN-{n:02}" for n in range(1, 4)),
    *(f"MET-{n:02}" for n in range(1, 19)),
    *(f"CFG-{n:02}" for n in range(1, 18)),
    *(f"SRV-{n:02}" for n in range(1, 7)),
    *(f"SEC-{n:02}" for n in range(1, 4)),
    *(f"USR-{n:02}" for n in range(1, 6)),
    "SVC-01", "SVC-02", "PRINT-01", "PRINT-02",
    *(f"MOD-{n:02}" for n in range(1, 11)),
    "REG-00", "REG-G", "REG-M", "REG-V", "REG-X", "REG-MED", "REG-TYP", "REG-CUST", "REG-UNIT",
    *(f"SCAN-{n:02}" for n in range(1, 8)),
    *(f"MBUS-{n:02}" for n in range(1, 5)),
    *(f"WDG-{n:02}" for n in range(1, 6)),
    *(f"TRANS-{n:02}" for n in range(1, 5)),
    "FTP-01", "FTP-02", "FTP-03", "SSH-01", "SNTP-01",
    *(f"FILE-{n:02}" for n in range(1, 5)),
    *(f"TROUBLE-{n:02}" for n in range(3)),
}  # fmt: skip


def test_vocabulary_is_covered() -> None:
    """The catalogue has every id of the vocabulary and no other."""
    assert {requirements.whole(id_) for id_ in CATALOGUE} == VOCABULARY


def test_statements_are_single_sentences() -> None:
    """Each text is one sentence, and no two requirements say the same of the same section."""
    for requirement in CATALOGUE.values():
        assert not re.search(r"[a-z)]\. [A-Z]", requirement.text), requirement.id
        assert len(requirement.text) < 170, requirement.id
    assert len({(r.section, r.text) for r in CATALOGUE.values()}) == len(CATALOGUE)


def test_parts_stand_alone() -> None:
    """A part is read by itself in a report, so it names what it speaks about."""
    parts = [one.text for id_, one in CATALOGUE.items() if "." in id_]
    assert not [text for text in parts if text.split()[0] in {"It", "Its", "They", "This", "0"}]


def test_parts_are_numbered_from_one() -> None:
    """Parts follow their whole in reading order without a gap, and are never just one."""
    for id_ in VOCABULARY:
        parts = [other for other in CATALOGUE if other.startswith(f"{id_}.")]
        assert parts == [f"{id_}.{number}" for number in range(1, len(parts) + 1)]
        assert len(parts) != 1


def test_field_rules_cite_the_catalogue() -> None:
    """Every rule of the layout check serves a statement of the catalogue, each its own."""
    rules = [value for value in vars(fields).values() if isinstance(value, fields.Field)]
    cited = [rule.requirement for rule in rules]
    assert set(cited) <= set(CATALOGUE)
    assert len(cited) == len(set(cited)) == 24
    assert fields.ORDER in CATALOGUE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a", "1:1: expected a mapping"),
        ("REG-M: [", "1:9: "),
        ("\nreg-m: {section: '1', text: A.}", "2:1: expected an id such as REG-M"),
        ("REG-M.1: {section: '1', text: A.}", "1:1: expected an id such as REG-M"),
        ("REG-M: text", "1:1: expected section and text for REG-M"),
        ("REG-M: {section: '1', txt: A.}", "1:1: REG-M has the unknown key 'txt'"),
        ("REG-M: {section: 6.2, text: A.}", "1:1: expected a section of the manual for REG-M"),
        ("REG-M: {section: '6.2', text: no sentence}", "1:1: expected one sentence as the text"),
        ("REG-M: {section: '6.2', text: A., parts: [B.]}", "1:1: expected two or more parts"),
        ("REG-M: {section: '6.2', text: A., parts: [B., 3]}", "as the text of REG-M.2, got 3"),
        ("A-1: {section: '1', text: A.}\nA-1: {section: '1', text: A.}", "2:1: found duplicate"),
    ],
)
def test_broken_catalogue(text: str, message: str) -> None:
    """A mistake in the catalogue is an error with its place."""
    with pytest.raises(requirements.CatalogueError) as caught:
        requirements.parse(text, source="c.yaml")
    assert str(caught.value).startswith("c.yaml:")
    assert message in str(caught.value)


def test_what_is_elsewhere_says_where() -> None:
    """A statement that no case decides names the place where it shows, and none of those is cited.

    Beside the families of services nothing is left undecided without such a reason.
    """
    outside = requirements.elsewhere()
    assert set(outside) <= set(CATALOGUE)
    assert all(reason.split(":")[0] in PLACES for reason in outside.values())
    decided = {id_ for one in suite.select_cases() for id_ in one.requirements}
    assert not decided & set(outside)
    silent = set(statements(CATALOGUE, CATALOGUE)) - decided - set(outside)
    assert not [id_ for id_ in silent if id_.partition("-")[0] not in targets.ELSEWHERE]


@pytest.mark.parametrize(
    "entry",
    [
        "REG-M: {section: '6', text: A whole., elsewhere: {1: a page}}",
        "REG-M: {section: '6', text: A whole., parts: [One., Two.], elsewhere: a page}",
        "REG-M: {section: '6', text: A whole., parts: [One., Two.], elsewhere: {3: a page}}",
    ],
)
def test_a_reason_for_a_part_that_there_is_not(entry: str) -> None:
    """A reason belongs to a statement, not to the heading of several."""
    with pytest.raises(requirements.CatalogueError, match=r"c\.yaml:1:1: REG-M has no part"):
        requirements.parse_elsewhere(entry, source="c.yaml")
