"""The run record as PDF/A-3u for paper and signature, set by WeasyPrint.

A PDF holds what a person signs: statement, verdict, requirement matrix, findings, deviations, what
was not verified, and the hashes of the traces. Full register tables stay in HTML and CSV, because
setting thousands of rows takes a minute and nobody reads them on paper. Nothing is fetched from
anywhere, and the same record gives the same bytes (the document's dates are those of 1980).

WeasyPrint is an extra (``meterbench[pdf]``) and needs Pango; where either is missing, `render`
raises `PdfUnavailableError` with what to install.
"""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, Final

from reports import html

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reports.record import RunRecord

#: 1980-01-01 00:00 UTC, the first moment that archives can hold.
EPOCH_S: Final = 315_532_800
_TEMPLATE: Final = "report.pdf.html.j2"


class PdfUnavailableError(RuntimeError):
    """WeasyPrint or a library that it needs is not here; the message says what to install."""


def render(record: RunRecord) -> bytes:
    """Return the document; raises PdfUnavailableError where it cannot be set."""
    try:
        import weasyprint
    except (ImportError, OSError) as error:
        raise PdfUnavailableError(
            "no PDF: install meterbench[pdf] and the system library Pango "
            f"(Debian: libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0); {error}"
        ) from error
    page = html.render(record, template=_TEMPLATE)
    with _fixed_dates():
        document = weasyprint.HTML(string=page, url_fetcher=_refuse)
        data = document.write_pdf(pdf_variant="pdf/a-3u", pdf_identifier=_identifier(record))
    assert data is not None, "no target was given, so the document is returned"
    return bytes(data)


def _identifier(record: RunRecord) -> bytes:
    """What tells the document from others: the record's own content."""
    import hashlib

    return hashlib.sha256(record.canonical_json().encode()).digest()[:16]


def _refuse(url: str, *_args: Any, **_keywords: Any) -> dict[str, Any]:
    raise ValueError(f"a report fetches nothing: {url}")


@contextlib.contextmanager
def _fixed_dates() -> Iterator[None]:
    """Let the document's dates be fixed, and put the environment back."""
    name, before = "SOURCE_DATE_EPOCH", os.environ.get("SOURCE_DATE_EPOCH")
    os.environ[name] = str(EPOCH_S)
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
