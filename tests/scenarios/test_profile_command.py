"""A captured telegram becomes a profile that sends the same records again."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from gateway.mbus.decode import decode_line
from gateway.mbus.frames import LongFrame
from scenarios.profile_command import ProfileError, profile_command, profile_text
from simulators import population, profile
from simulators.document import load
from simulators.meter import EPOCH

HEAT = (
    "68 24 24 68 08 05 72 06 01 60 66 A7 32 02 04 2A 00 00 00 0B 06 67 02 00 02 59 2E FB 0C 14 "
    "78 56 34 12 04 6D 3A 0B 54 3B CC 16"
)
TEXT = (
    "68 1F 1F 68 08 09 72 70 86 42 00 42 04 06 02 01 00 00 00 0D FD 0E 08 31 30 31 2D 35 32 33 44 "
    "42 6C 5F 3A 0E 16"
)
CORPUS = os.environ.get("METERBENCH_CORPUS")

app = typer.Typer()
app.command()(profile_command)


def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Exit code, output and errors of the command."""
    done = CliRunner().invoke(app, list(arguments), input=stdin)
    return done.exit_code, done.stdout, done.stderr


def long_frame(data: str, ci_field: str = "72") -> str:
    """An answer of meter 12345678 ABC with `data` behind its header."""
    header = "78563412 4304 01 02 2A 00 0000" if ci_field == "72" else ""
    body = bytes.fromhex(f"08 05 {ci_field} {header} {data}")
    head = bytes((0x68, len(body), len(body), 0x68))
    return (head + body + bytes((sum(body) & 0xFF, 0x16))).hex(" ")


def test_the_worked_example_becomes_its_own_profile() -> None:
    """Records, expectations and hidden time are those that were written down by hand."""
    made = profile.parse(profile_text([decode_line(HEAT)]), "made")
    hand = profile.find("worked-example-a", None)
    assert (made.manufacturer, made.version, made.medium) == ("LUG", 2, 4)
    for one, other in zip(made.telegrams[0], hand.telegrams[0], strict=True):
        assert (one.dib, one.vib, one.coding, one.hidden) == (
            other.dib, other.vib, other.coding, other.hidden,
        )  # fmt: skip
        assert one.expect == other.expect
        assert (one.timestamp_from is None) == (other.timestamp_from is None)


def test_text_and_date_stay_what_they_are() -> None:
    """A text is a text, and a date that gives its time to nobody a value of its own."""
    text, date = profile.parse(profile_text([decode_line(TEXT)], "own name"), "x").telegrams[0]
    assert (text.coding, text.value) == ("text", "D325-101")
    assert date.coding == "date_g"
    assert date.expect is not None
    assert date.expect.unit == "UTC"


@pytest.mark.parametrize(
    ("data", "part"),
    [
        ("05 2B 00 00 48 43", "coding: real32, value: 200.0"),
        ("05 2B 00 00 C0 7F", 'data: "00 00 C0 7F"'),
        ("0A 5A 34 F2", "coding: bcd4, value: -234"),
        ("0A 5A 34 B2", 'data: "34 B2"'),
        ("04 7B 01 00 00 00", "value: 1"),
        ("00 5B", "kind: no data"),
        ("42 6C FF FF", "kind: no data"),
        ("0D FD 0C 03 22 5C 0A", r"\x0a\\\""),
        ("06 6D 00 00 0C 14 3B 00", 'data: "00 00 0C 14 3B 00"'),
        ("01 13 05 0F AA BB", "hidden: true"),
        ("07 03 FF FF FF FF FF FF FF 7F", "value: 9223372036854775807"),
    ],
)
def test_every_kind_of_data_is_said_literally_where_need_be(data: str, part: str) -> None:
    """What a coding cannot say stands as data; what is made sends the captured records again."""
    text = profile_text([decode_line(long_frame(data))])
    assert part in text
    (page,) = profile.parse(text, "x").telegrams
    sent = b"".join(profile.CompiledRecord(item, 0, "", EPOCH).encode(0) for item in page)
    assert sent == bytes.fromhex(data)


def test_several_telegrams_become_pages() -> None:
    """The lines of one read-out, the mark that more follow left to the simulator."""
    first, second = long_frame("04 03 01 00 00 00 1F"), long_frame("04 2B 02 00 00 00")
    code, output, _ = run("-", "--name", "two", stdin=f"{first}\n\n{second}\n")
    assert code == 0
    made = profile.parse(output, "two")
    assert made.profile == "two"
    assert [len(page) for page in made.telegrams] == [1, 1]


def test_what_is_made_can_be_simulated() -> None:
    """The file beside a population is a kind of meter like any other."""
    kind = profile_text([decode_line(HEAT)], "captured")
    assert "proposal" in kind
    text = "meters:\n  - id: m\n    manufacturer: LUG\n    version: 2\n    medium: 4\n"
    records = kind[kind.index("records:") :].replace("\n", "\n    ").rstrip()
    meters = population.parse(load(f"{text}    {records}\n", "x.yaml"), source="x.yaml")
    assert len(meters.meters(seed=1)[0].application.records) == 4


@pytest.mark.parametrize(
    ("telegram", "code", "words"),
    [
        ("", 2, "expected a telegram"),
        ("68 24 24 68 08 05 72", 1, "telegram 1"),
        ("hello", 1, "telegram 1"),
        ("E5", 2, "RSP_UD with CI 72"),
        (long_frame("00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", "73"), 2, "CI 72"),
        (long_frame(""), 2, "no data records"),
        (long_frame("01 13 05 1F AA"), 2, "behind 1F"),
        (f"{HEAT}\n{TEXT}", 2, "different meters"),
    ],
)
def test_what_cannot_be_a_profile_is_refused(telegram: str, code: int, words: str) -> None:
    """One clear line, exit code 1 for a broken telegram and 2 for one of another sort."""
    exit_code, output, errors = run("-", stdin=telegram)
    assert (exit_code, output) == (code, "")
    assert words in errors


def frames() -> list[tuple[str, str]]:
    """Name and first telegram of every real meter in the corpus that a profile may be made of."""
    if CORPUS is None:
        return []
    found = []
    for path in sorted(Path(CORPUS).glob("*.json")):
        text = json.loads(path.read_text(encoding="utf-8"))
        frame = next((text[key] for key in ("hex", "frame", "telegram") if key in text), None)
        if isinstance(frame, str):
            found.append((path.stem, frame))
    return found


@pytest.mark.skipif(not CORPUS, reason="METERBENCH_CORPUS is not set")
def test_real_telegrams_become_profiles() -> None:
    """Every sound telegram of a real meter with CI 72 gives a profile, or a reason why not."""
    made, refused = 0, []
    for name, frame in frames():
        telegram = decode_line(frame)
        ours = isinstance(telegram.frame, LongFrame) and telegram.frame.ci_field == 0x72
        if telegram.error is not None or not ours:
            continue
        try:
            profile_text([telegram], name)
            made += 1
        except ProfileError as error:
            refused.append(f"{name}: {error}")
    sys.stderr.write("\n".join(refused))
    assert made >= 30
    assert len(refused) <= made // 4, refused
