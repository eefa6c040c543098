"""How a command of the gateway ends on wrong usage."""

from __future__ import annotations

from typing import Final, NoReturn

import typer

#: Wrong usage, or a place that cannot be used.
EXIT_USAGE: Final = 2


def complain(text: str) -> NoReturn:
    """End with wrong usage, or a place that cannot be used."""
    typer.echo(f"error: {text}", err=True)
    raise typer.Exit(EXIT_USAGE)
