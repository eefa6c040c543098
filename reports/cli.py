"""The ``report`` part of the command line; `scenarios.cli` mounts `app`.

``meterbench report build RESULT.json --html FILE --junit FILE`` renders a run record,
``meterbench report schema`` prints the published JSON schema.
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations while it runs
from typing import TYPE_CHECKING, Annotated, Final

import typer

from reports import html, junit
from reports.record import RecordError, load, schema_text

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
) -> None:
    """Render a run record; the exit code is that of its verdict.

    Without an option, writes the HTML page beside the record.
    """
    try:
        record = load(result)
    except RecordError as error:
        raise _usage(str(error)) from error
    if html_file is None and junit_file is None:
        html_file = result.with_suffix(".html")
    _write(html_file, html.render, record)
    _write(junit_file, junit.render, record)
    raise typer.Exit(record.exit_code)


@app.command()
def schema() -> None:
    """Print the JSON schema of result.json."""
    typer.echo(schema_text(), nl=False)


def _write(path: Path | None, render: Callable[[RunRecord], str], record: RunRecord) -> None:
    """Write one rendering; a report that cannot be written is an error, never a silence."""
    if path is None:
        return
    try:
        path.write_text(render(record), encoding="utf-8")
    except OSError as error:
        raise _usage(f"{path}: cannot be written: {error.strerror}") from error
    typer.echo(f"{path}: {record.verdict.value}")


def _usage(message: str) -> typer.Exit:
    for line in message.splitlines():
        typer.echo(f"error: {line}", err=True)
    return typer.Exit(EXIT_USAGE)
