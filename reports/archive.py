"""One archive for a run: the record, its traces and renderings, and a manifest that proves them.

`pack` writes a ZIP whose bytes depend on its content alone. `verify` trusts nothing: every hash is
computed anew, the HTML is rendered from the record and compared byte by byte, and the verdicts are
formed again from the traces. A changed file is named with the 64 bytes in which it differs.
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reports import html
from reports.record import RecordError, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from reports.record import RunRecord

    #: Forms verdicts anew from traces: complaints in words, none where all agree.
    Rejudge = Callable[[RunRecord, Mapping[str, bytes]], list[str]]

MANIFEST: Final = "manifest.json"
RESULT: Final = "result.json"
HTML: Final = "report.html"
TRACES: Final = "traces/"
#: Bytes that one check sum of the manifest covers.
BLOCK: Final = 64
#: An archive larger than this is not read: a run leaves some megabytes.
ARCHIVE_BYTES_MAX: Final = 512 * 1024 * 1024
_DATE: Final = (1980, 1, 1, 0, 0, 0)


class ArchiveError(ValueError):
    """An archive that cannot be read at all; the message says why."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with an archive."""

    file: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}: {self.message}"


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the archive of `files`, which must hold ``result.json``; names sorted, dates fixed."""
    if RESULT not in files:
        raise ArchiveError(f"expected {RESULT} among the files")
    content = {name: data for name, data in files.items() if name != MANIFEST}
    content[MANIFEST] = _manifest(content).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name in sorted(content):
            info = zipfile.ZipInfo(name, _DATE)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, content[name])
    return out.getvalue()


def _manifest(files: Mapping[str, bytes]) -> str:
    entries = {
        name: {
            "sha256": hashlib.sha256(data).hexdigest(),
            "size_bytes": len(data),
            "blocks": " ".join(f"{zlib.crc32(block):08x}" for block in _blocks(data)),
        }
        for name, data in sorted(files.items())
    }
    document = {"block_bytes": BLOCK, "files": entries}
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def _blocks(data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), BLOCK):
        yield data[start : start + BLOCK]


def read(data: bytes) -> dict[str, bytes]:
    """Return the files of an archive; raises ArchiveError for what is none."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            total = sum(info.file_size for info in archive.infolist())
            if total > ARCHIVE_BYTES_MAX:
                raise ArchiveError(f"holds {total} bytes, more than {ARCHIVE_BYTES_MAX}")
            return {info.filename: archive.read(info) for info in archive.infolist()}
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
        raise ArchiveError(f"not an archive of a run: {error}") from error


def verify(data: bytes, rejudge: Rejudge | None = None) -> list[Finding]:
    """Return everything that is wrong with an archive, nothing where it stands.

    `rejudge` forms the verdicts anew from the traces; without it they are taken as recorded.
    Raises ArchiveError for what cannot be read as an archive.
    """
    files = read(data)
    findings = [*_hashes(files)]
    if RESULT not in files:
        return [*findings, Finding(RESULT, "missing")]
    try:
        record = parse(files[RESULT].decode("utf-8", "replace"), source=RESULT)
    except RecordError as error:
        return [*findings, *(Finding(RESULT, f"{place}: {text}") for place, text in error.findings)]
    findings += _page(record, files)
    findings += _traces(record, files)
    if rejudge is not None:
        findings += [Finding(RESULT, text) for text in rejudge(record, _trace_files(files))]
    return findings


def _trace_files(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {
        name.removeprefix(TRACES): data for name, data in files.items() if name.startswith(TRACES)
    }


def _hashes(files: Mapping[str, bytes]) -> Iterator[Finding]:
    if MANIFEST not in files:
        yield Finding(MANIFEST, "missing")
        return
    try:
        entries: dict[str, Any] = json.loads(files[MANIFEST])["files"]
        known = {
            name: (entry["sha256"], entry["blocks"].split()) for name, entry in entries.items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        yield Finding(MANIFEST, f"cannot be read: {error}")
        return
    for name in sorted(known.keys() - files.keys()):
        yield Finding(name, "missing")
    for name in sorted(files.keys() - known.keys() - {MANIFEST}):
        yield Finding(name, "not in the manifest")
    for name in sorted(known.keys() & files.keys()):
        digest, blocks = known[name]
        if hashlib.sha256(files[name]).hexdigest() != digest:
            yield Finding(name, f"changed: {_where(files[name], blocks)}")


def _where(data: bytes, blocks: list[str]) -> str:
    seen = [f"{zlib.crc32(block):08x}" for block in _blocks(data)]
    wrong = [n for n, (a, b) in enumerate(zip(seen, blocks, strict=False)) if a != b]
    if not wrong:
        return f"{len(seen)} blocks of {BLOCK} bytes, {len(blocks)} expected"
    first = wrong[0]
    more = f" and {len(wrong) - 1} more blocks" if len(wrong) > 1 else ""
    return f"bytes {first * BLOCK} to {first * BLOCK + BLOCK - 1}{more}"


def _page(record: RunRecord, files: Mapping[str, bytes]) -> Iterator[Finding]:
    if HTML not in files:
        yield Finding(HTML, "missing")
        return
    wanted, seen = html.render(record).encode(), files[HTML]
    if wanted != seen:
        pairs = zip(wanted, seen, strict=False)
        at = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(wanted), len(seen)))
        line = wanted.count(b"\n", 0, at) + 1
        yield Finding(HTML, f"is not what {RESULT} renders to: byte {at}, line {line}")


def _traces(record: RunRecord, files: Mapping[str, bytes]) -> Iterator[Finding]:
    for trace in record.traces:
        # `comply` keeps traces in a folder, `scenario run` beside the record.
        name = trace.name if trace.name in files else f"{TRACES}{trace.name}"
        data = files.get(name)
        if data is None:
            yield Finding(name, "named by the record and missing")
        elif hashlib.sha256(data).hexdigest() != trace.sha256:
            yield Finding(name, "is not the trace that the record names (sha256)")
