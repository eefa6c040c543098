"""The run record: deterministic, host-free, self-consistent, and published as a schema."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports import record
from reports.record import Case, Evidence, Requirement, Run, RunRecord
from reports.verdict import Verdict, join

if TYPE_CHECKING:
    from pathlib import Path

RUN = Run(title="meterbench demo", tool_version="0.1.0", seed="1", backend="sim")
CATALOGUE = {
    id_: Requirement(id=id_, section="6.2", text=f"Text of {id_}.")
    for id_ in ("REG-M", "REG-M.1", "REG-M.2", "MOD-01")
}


def case(id_: str, verdict: Verdict, *requirements: str) -> Case:
    """Return a case of that verdict, with a reason where one is needed."""
    reason = "" if verdict is Verdict.PASS else "a reason"
    return Case(id=id_, title=id_, requirements=requirements, verdict=verdict, reason=reason)


def assembled(*cases: Case, **more: Any) -> RunRecord:
    """Return the record of these cases under the small catalogue above."""
    return RunRecord.assemble(RUN, cases, catalogue=CATALOGUE, **more)


def test_published_schema_is_current() -> None:
    """The schema shipped as package data is the one that the models have."""
    published = resources.files("reports").joinpath("result.schema.json").read_text("utf-8")
    assert published == record.schema_text()


def test_schema_is_valid_and_accepts_a_record() -> None:
    """The published schema is itself a valid 2020-12 schema and accepts what we write."""
    schema = record.schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    document = json.loads(assembled(case("a", Verdict.PASS, "MOD-01")).to_json())
    jsonschema.validate(document, schema, cls=jsonschema.Draft202012Validator)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "verdict": "OK"}, schema)


VERDICTS = st.sampled_from(list(Verdict))
CASES = st.lists(
    st.builds(
        Case,
        id=st.text(min_size=1, max_size=5),
        title=st.just("t"),
        requirements=st.lists(st.sampled_from(sorted(CATALOGUE)), max_size=3).map(tuple),
        verdict=VERDICTS,
        reason=st.just("because"),
        evidence=st.lists(
            st.builds(
                Evidence,
                kind=st.sampled_from(["frame", "register", "event"]),
                where=st.just("bus"),
                content=st.text(min_size=1, max_size=8),
                at_ns=st.none() | st.integers(min_value=0),
            ),
            max_size=2,
        ).map(tuple),
    ),
    max_size=6,
    unique_by=lambda made: made.id,
)


@given(CASES)
def test_round_trip_and_join(cases: list[Case]) -> None:
    """What is written reads back equal, and the verdicts are the joins of their cases."""
    made = assembled(*cases)
    assert record.parse(made.to_json()) == made
    assert made.verdict is join(one.verdict for one in cases)
    for row in made.requirements:
        own = [one.verdict for one in cases if row.id in one.requirements]
        assert row.verdict is join(own)
        assert row.met == (Verdict.PASS in own and all(v <= Verdict.PASS for v in own))
    judged = {row.id for row in made.requirements}
    assert judged.isdisjoint(gap.id for gap in made.not_verified)
    assert (judged | {gap.id for gap in made.not_verified}) - {"REG-M"} == set(CATALOGUE) - {
        "REG-M"
    }


def test_same_content_same_bytes() -> None:
    """Keys are sorted and the wall clock stands in `run` only."""
    one = assembled(case("a", Verdict.PASS, "MOD-01"))
    later = one.model_copy(update={"run": RUN.model_copy(update={"real_duration_ns": 5})})
    assert one.to_json() != later.to_json()
    assert one.canonical_json() == later.canonical_json()
    keys = list(json.loads(one.to_json()))
    assert keys == sorted(keys)


def test_not_applicable_alone_is_not_met() -> None:
    """A requirement is met only when a selected case passed."""
    (row,) = assembled(case("a", Verdict.NOT_APPLICABLE, "MOD-01")).requirements
    assert (row.verdict, row.met) == (Verdict.NOT_APPLICABLE, False)


def test_unverified_parts_say_why() -> None:
    """A part that was only exercised through its whole is listed, with that reason."""
    made = assembled(case("a", Verdict.PASS, "REG-M"), case("b", Verdict.PASS, "REG-M.2"))
    reasons = {gap.id: gap.reason for gap in made.not_verified}
    assert set(reasons) == {"REG-M.1", "MOD-01"}
    assert "only REG-M as a whole" in reasons["REG-M.1"]


def test_selection_bounds_the_not_verified_list() -> None:
    """A run that set out to verify two ids answers for these two."""
    made = assembled(case("a", Verdict.PASS, "MOD-01"), selected=["MOD-01", "REG-M.1"])
    assert [gap.id for gap in made.not_verified] == ["REG-M.1"]


def test_selected_whole_stands_for_its_parts() -> None:
    """A run that set out to verify REG-M answers for each of its parts."""
    made = assembled(case("a", Verdict.PASS, "REG-M.1"), selected=["REG-M"])
    assert [gap.id for gap in made.not_verified] == ["REG-M.2"]


def test_foreign_requirement_is_kept() -> None:
    """An id outside the catalogue is shown without a text, never dropped."""
    made = assembled(case("a", Verdict.PASS, "WEB-10", "WEB-9"))
    assert [(row.id, row.text) for row in made.requirements] == [("WEB-9", ""), ("WEB-10", "")]


def test_exit_codes() -> None:
    """A record without cases is wrong usage; else the joined verdict decides."""
    assert assembled().exit_code == 2
    assert assembled(case("a", Verdict.NOT_APPLICABLE)).exit_code == 0
    assert assembled(case("a", Verdict.FAIL), case("b", Verdict.ERROR)).exit_code == 4


def test_reason_is_required() -> None:
    """Whatever is not a PASS says why."""
    with pytest.raises(ValueError, match="gives no reason"):
        Case(id="a", title="t", verdict=Verdict.NOT_RUN)


def edited(**changes: Any) -> str:
    """Return a good document with some top-level keys replaced."""
    document = json.loads(assembled(case("a", Verdict.FAIL, "MOD-01")).to_json())
    return json.dumps({**document, **changes})


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("", "1:1", "expected JSON"),
        ('{"run":\n  nope}', "2:3", "expected JSON"),
        ("[]", "document", "dict"),
        (edited(verdict="PASS"), "document", "verdict is PASS, but the cases join to FAIL"),
        (edited(verdict="GOOD"), "verdict", "'GOOD'"),
        (edited(surprise=1), "surprise", "not permitted"),
        (edited(cases=[{"id": "a"}]), "cases[0].title", "Field required"),
        ("[" * 100_000, "1", "expected JSON"),
        ('{"verdict": ' + "9" * 5000 + "}", "1", "expected JSON"),
    ],
)
def test_broken_document_is_refused_with_place(text: str, place: str, message: str) -> None:
    """A file that is not a run record gives its findings with places, never a traceback."""
    with pytest.raises(record.RecordError) as caught:
        record.parse(text, source="r.json")
    assert any(place == at and message in what for at, what in caught.value.findings)
    assert str(caught.value).startswith("r.json:")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
    )
)
def test_parse_is_total(document: Any) -> None:
    """Any JSON document either is a record or gives a `RecordError`."""
    with pytest.raises(record.RecordError):
        record.parse(json.dumps(document))


def test_row_may_not_whitewash_its_cases() -> None:
    """A requirement row that is better than its cases is refused."""
    document = json.loads(assembled(case("a", Verdict.FAIL, "MOD-01")).to_json())
    document["requirements"][0].update(verdict="PASS", met=True)
    with pytest.raises(record.RecordError, match="its cases join to FAIL"):
        record.parse(json.dumps(document))


def hand_edited(**changes: Any) -> str:
    """Return a record with one case and one requirement row, edited by hand."""
    document = json.loads(assembled(case("a", Verdict.PASS, "MOD-01")).to_json())
    document["requirements"][0].update(changes)
    return json.dumps(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (hand_edited(cases=["b"]), "requirement MOD-01 names case 'b', which is not recorded"),
        (hand_edited(met=False), "requirement MOD-01 says met=False, its cases say otherwise"),
        (
            edited(cases=2 * json.loads(edited())["cases"]),
            "case 'a' is recorded more than once",
        ),
    ],
)
def test_inconsistent_record_is_refused(text: str, message: str) -> None:
    """What does not follow from the cases is refused, and so are two cases of one id."""
    with pytest.raises(record.RecordError) as caught:
        record.parse(text)
    assert message in str(caught.value)


def test_table_may_not_whitewash_its_rows() -> None:
    """A register table that is better than its worst row is refused."""
    row = record.RegisterRow(
        address=1,
        entry="meter",
        field="f",
        registers=(1, 2),
        expected="",
        seen="",
        verdict=Verdict.FAIL,
    )
    assert row.last_address == 2
    with pytest.raises(ValueError, match="'m' is better than its worst row"):
        record.RegisterTable(id="m", title="m", address=0, rows=(row,), verdict=Verdict.PASS)


def test_load_names_the_file(tmp_path: Path) -> None:
    """A missing file and bytes that are not UTF-8 are findings with the file's name."""
    with pytest.raises(record.RecordError, match="cannot be read: No such file"):
        record.load(tmp_path / "absent.json")
    broken = tmp_path / "broken.json"
    broken.write_bytes(b'{"a": "\xff"}')
    with pytest.raises(record.RecordError, match="byte 7: expected UTF-8"):
        record.load(broken)
    good = tmp_path / "good.json"
    made = assembled(case("a", Verdict.PASS))
    good.write_text(made.to_json(), encoding="utf-8")
    assert record.load(good) == made


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/opt/x/bin/meterbench", "demo"], "meterbench demo"),
        (
            ["meterbench", "scenario", "run", "/home/u/a.scn.yaml"],
            "meterbench scenario run a.scn.yaml",
        ),
        (
            ["x", "--report=/tmp/out", "--listen", "pty:/tmp/bus0"],
            "x --report=out --listen pty:bus0",
        ),
        (["x", "C:\\Users\\u\\a.yaml", "socket://gw:5000"], "x a.yaml socket://gw:5000"),
        (["x", "@library", "scenarios/library", "/"], "x @library scenarios/library /"),
    ],
)
def test_command_names_no_folder_of_the_machine(argv: list[str], command: str) -> None:
    """Absolute paths are cut to their last component; what identifies the target is kept."""
    assert record.portable_command(argv) == command


@pytest.mark.parametrize("name", ["/tmp/bus.jsonl", "out/bus.jsonl"])
def test_trace_names_no_folder(name: str) -> None:
    """A trace is named by its file name alone."""
    with pytest.raises(ValueError, match="folder"):
        record.Trace(name=name, kind="bus", sha256="0" * 64, size_bytes=1)
