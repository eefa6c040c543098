"""The ``report`` part of the command line; `scenarios.cli` mounts `app`.

``meterbench report build RESULT.json --html FILE …`` renders a run record, ``report diff`` compares
two, ``report pack`` makes an archive of one and ``report verify`` checks it (mounted by
`scenarios.cli`, which can judge traces);
``meterbench report schema`` prints the published JSON schema.
"""

from __future__ import annotations

import json
from pathlib import Path  # noqa: TC003 - typer reads the annotations while it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reports import allure_results, archive, difference, html, junit, matrix, pdf
from reports.record import RecordError, load, parse, schema_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from reports.record import RunRecord

#: Wrong usage, or a file that does not check.
EXIT_USAGE: Final = 2

app = typer.Typer(help="Render and check run records.", no_args_is_help=True)


@app.callback()
def report() -> None:
    """Render and check run records."""


@app.command()
def build(
    result: Annotated[Path, typer.Argument(metavar="RESULT.json", help="The run record.")],
    html_file: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="Write one HTML page.")
    ] = None,
    junit_file: Annotated[
        Path | None, typer.Option("--junit", metavar="FILE", help="Write JUnit XML (xunit1).")
    ] = None,
    pdf_file: Annotated[
        Path | None, typer.Option("--pdf", metavar="FILE", help="Write PDF/A for signature.")
    ] = None,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", metavar="FILE", help="Write the requirement matrix.")
    ] = None,
    allure: Annotated[
        Path | None, typer.Option("--allure", metavar="DIR", help="Write Allure results.")
    ] = None,
) -> None:
    """Render a run record; the exit code is that of its verdict.

    Without an option, writes the HTML page beside the record.
    """
    record = _load(result)
    if not any((html_file, junit_file, pdf_file, csv_file, allure)):
        html_file = result.with_suffix(".html")
    _write(html_file, html.render, record)
    _write(junit_file, junit.render, record)
    _write(csv_file, matrix.render, record)
    _write(pdf_file, pdf.render, record)
    if allure is not None:
        try:
            count = allure_results.write(record, allure)
        except OSError as error:
            raise _usage(f"{allure}: cannot be written: {error.strerror}") from error
        typer.echo(f"{allure}: {count} results")
    raise typer.Exit(record.exit_code)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD.json", help="The run before.")],
    new: Annotated[Path, typer.Argument(metavar="NEW.json", help="The run after.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Show what changed for the better and the worse; exit code 1 for anything worse."""
    changes = difference.compare(_load(old), _load(new))
    worse = difference.regressions(changes)
    if as_json:
        document = {"regressions": len(worse), "changes": [one.to_document() for one in changes]}
        typer.echo(json.dumps(document, indent=2))
    else:
        for change in changes:
            typer.echo(str(change))
        typer.echo(f"{len(changes)} changes, {len(worse)} for the worse")
    raise typer.Exit(1 if worse else 0)


@app.command()
def pack(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="What `comply --out` or `scenario run` left.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="FILE.zip", help="The archive.")],
    add: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Something more: the PICS, a register map; repeat it."),
    ] = None,
) -> None:
    """Put record, traces and renderings into one archive with a manifest that proves them."""
    try:
        files = _below(folder)
        files |= {f"added/{path.name}": path.read_bytes() for path in add or ()}
        record = parse(files[archive.RESULT].decode(), source=archive.RESULT)
        files[archive.HTML] = html.render(record).encode()
        out.write_bytes(archive.pack(files))
    except KeyError as error:
        raise _usage(f"{folder}: expected {archive.RESULT} in this folder") from error
    except (OSError, RecordError) as error:
        raise _usage(str(error)) from error
    typer.echo(f"{out}: {len(files)} files, {record.verdict.value}")


def _below(folder: Path) -> dict[str, bytes]:
    """Every file of a folder by its path inside it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def verify_archive(path: Path, rejudge: archive.Rejudge | None = None) -> None:
    """Check an archive and tell; exit code 0 where it stands, 1 where not, 2 where it is none."""
    try:
        findings = archive.verify(path.read_bytes(), rejudge)
    except (OSError, archive.ArchiveError) as error:
        raise _usage(f"{path}: {error}") from error
    for finding in findings:
        typer.echo(str(finding))
    typer.echo(f"{path}: {'stands' if not findings else f'{len(findings)} findings'}")
    raise typer.Exit(1 if findings else 0)


def _load(path: Path) -> RunRecord:
    try:
        return load(path)
    except RecordError as error:
        raise _usage(str(error)) from error


@app.command()
def schema() -> None:
    """Print the JSON schema of result.json."""
    typer.echo(schema_text(), nl=False)


def _write(
    path: Path | None, render: Callable[[RunRecord], str | bytes], record: RunRecord
) -> None:
    """Write one rendering; a report that cannot be written is an error, never a silence."""
    if path is None:
        return
    try:
        content = render(record)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    except pdf.PdfUnavailableError as error:
        raise _usage(str(error)) from error
    except OSError as error:
        raise _usage(f"{path}: cannot be written: {error.strerror}") from error
    typer.echo(f"{path}: {record.verdict.value}")


def _usage(message: str) -> typer.Exit:
    for line in message.splitlines():
        typer.echo(f"error: {line}", err=True)
    return typer.Exit(EXIT_USAGE)
