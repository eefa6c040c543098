"""The options of ``meterbench comply``, one name each."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Target = Annotated[
    str,
    typer.Option(
        metavar="reference|process|HOST[:PORT]",
        help="The reference gateway in virtual time, or as a process in real time; or any.",
    ),
]
Pics = Annotated[
    str, typer.Option(metavar="FILE|NAME", help="What the device claims, and its parameters.")
]
Out = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write result.json and its renderings; detection.csv with --matrix, mutants.csv.",
    ),
]
Requirement = Annotated[
    list[str] | None, typer.Option(metavar="ID", help="Only cases that decide this; repeat it.")
]
Meters = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="Population that a gateway at an address serves."),
]
RegisterMap = Annotated[
    Path | None,
    typer.Option(
        "--map",
        metavar="FILE",
        help="Register map that device and statement must agree with: CSV, JSON, or a meter list.",
    ),
]
Intrusive = Annotated[
    bool,
    typer.Option("--intrusive", help="At an address: also malformed frames and all clients."),
]
Slow = Annotated[bool, typer.Option("--slow", help="At an address: also wait for idle limits.")]
RealTime = Annotated[
    float,
    typer.Option(
        metavar="SECONDS", min=1.0, help="With process: run scenarios that last no longer."
    ),
]
Seed = Annotated[int, typer.Option(help="Seed of every case.")]
Workers = Annotated[
    int | None, typer.Option(metavar="N", help="Processes; by default as many as cores.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the run record.")]
FailFast = Annotated[
    bool, typer.Option("--fail-fast", help="End behind the first case that does not pass.")
]
First = Annotated[
    list[str] | None,
    typer.Option(metavar="PREFIX", help="With --fail-fast: cases whose id begins so come first."),
]
ProposePics = Annotated[
    bool, typer.Option("--propose-pics", help="Print the statement of a gateway at an address.")
]
TestItself = Annotated[
    bool, typer.Option("--self-test", help="Run the suite on every known-bad gateway.")
]
Matrix = Annotated[
    bool,
    typer.Option("--matrix", help="Run every case on every known-bad gateway: can each one fail?"),
]
Mutants = Annotated[
    int | None,
    typer.Option(metavar="N", help="Run the suite on so many mechanical mutants, by seed."),
]
Waivers = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Findings that are accepted until a day.")
]
Baseline = Annotated[
    Path | None,
    typer.Option(metavar="OLD.json", help="Exit 1 only where something became worse than there."),
]
AsOf = Annotated[
    str | None, typer.Option(metavar="DATE", help="The day on which waivers are judged.")
]
