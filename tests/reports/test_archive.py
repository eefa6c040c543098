"""One archive for a run: what it proves, and what is noticed."""

from __future__ import annotations

import io
import zipfile

import pytest

from reports import archive, html
from reports.archive import ArchiveError, pack, read, verify
from reports.record import Run, RunRecord, Trace
from tests.reports.sample import record as acceptance


def contents() -> dict[str, bytes]:
    """The files of a run with one trace."""
    import hashlib

    data = b'{"at_ns":1}\n' * 40
    trace = Trace(
        name="t.jsonl",
        kind="events",
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )
    record = acceptance().model_copy(update={"traces": (trace,)})
    return {
        archive.RESULT: record.to_json().encode(),
        archive.HTML: html.render(record).encode(),
        "traces/t.jsonl": data,
    }


def repacked(files: dict[str, bytes]) -> bytes:
    """The files as a ZIP, manifest included as it is: what somebody would do by hand."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return out.getvalue()


def test_an_archive_stands_and_is_repeatable() -> None:
    """The same files give the same bytes, and nothing is found wrong with them."""
    files = contents()
    packed = pack(files)
    assert packed == pack(dict(reversed(files.items())))
    assert verify(packed) == []


@pytest.mark.parametrize("name", sorted(contents()))
def test_a_changed_byte_is_named(name: str) -> None:
    """The file, and the 64 bytes in which the change lies."""
    files = read(pack(contents()))
    data = bytearray(files[name])
    at = 200
    data[at] ^= 1
    files[name] = bytes(data)
    found = [str(one) for one in verify(repacked(files))]
    assert f"{name}: changed: bytes 192 to 255" in found


def test_a_record_that_was_edited_into_a_pass_is_refused() -> None:
    """With a new manifest the hashes agree, and the record proves itself all the same."""
    files = contents()
    files[archive.RESULT] = files[archive.RESULT].replace(b'"FAIL"', b'"PASS"', 1)
    found = [str(one) for one in verify(pack(files))]
    assert found


def test_a_page_that_says_something_else_is_named_by_its_byte() -> None:
    """The page is rendered again from the record."""
    files = contents()
    files[archive.HTML] = files[archive.HTML].replace(b"FAIL", b"PASS", 1)
    [finding] = verify(pack(files))
    assert finding.file == archive.HTML
    assert "is not what result.json renders to: byte" in finding.message


def test_missing_and_surplus_files_are_named() -> None:
    """Nothing may go, and nothing may come."""
    files = read(pack(contents()))
    del files["traces/t.jsonl"]
    files["extra.txt"] = b"x"
    found = [str(one) for one in verify(repacked(files))]
    assert "traces/t.jsonl: missing" in found
    assert "extra.txt: not in the manifest" in found


def test_a_trace_of_another_run_is_noticed() -> None:
    """The record names its traces by hash; a new manifest does not help."""
    files = contents()
    files["traces/t.jsonl"] += b"\n"
    [finding] = verify(pack(files))
    assert "is not the trace that the record names" in finding.message


def test_traces_may_lie_beside_the_record() -> None:
    """That is where a run of scenarios leaves them."""
    files = contents()
    files["t.jsonl"] = files.pop("traces/t.jsonl")
    assert verify(pack(files)) == []


def test_judging_again_is_asked_for_with_the_traces() -> None:
    """What the judge complains of is a finding of the record."""

    def rejudge(record: RunRecord, traces: object) -> list[str]:
        assert list(traces) == ["t.jsonl"]  # type: ignore[call-overload]
        return [f"{record.cases[0].id} is wrong"]

    [finding] = verify(pack(contents()), rejudge)
    assert finding.message.endswith("is wrong")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"\x00" * 100])
def test_what_is_no_archive_is_told(data: bytes) -> None:
    """Never a traceback."""
    with pytest.raises(ArchiveError, match="not an archive"):
        read(data)


def test_an_archive_without_a_record_is_no_archive() -> None:
    """There must be something to prove."""
    with pytest.raises(ArchiveError, match=r"result\.json"):
        pack({"x": b""})
    run = Run(title="x", tool_version="0", seed="1", backend="sim")
    broken = pack({archive.RESULT: RunRecord.assemble(run, []).to_json().encode()[:-9]})
    found = [str(one) for one in verify(broken)]
    assert any("expected JSON" in one for one in found)
