"""What the master sends for a read-out: every reset, request and addressing mode, byte for byte.

The telegrams are those of the worked examples, computed there by a script and printed here as they
stand; nothing of ours builds them (C-18, C-19).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.registry import SuiteCase, add, case
from scenarios.compliance.verdicts import frame_evidence

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

# fmt: off
NKE_A: Final      = "10 40 05 45 16"
NKE_FD: Final     = "10 40 FD 3D 16"
NKE_FF: Final     = "10 40 FF 3F 16"
SELECT: Final     = "68 0B 0B 68 53 FD 52 06 01 60 66 A7 32 02 04 4E 16"
APPRESET_FD: Final = "68 03 03 68 73 FD 50 C0 16"
GET1_A: Final     = "68 05 05 68 73 05 51 7F 7E C6 16"
GET1_FD: Final    = "68 05 05 68 73 FD 51 7F 7E BE 16"
GET2_A: Final     = "68 04 04 68 73 05 51 7F 48 16"
GET2_FD: Final    = "68 04 04 68 73 FD 51 7F 40 16"
FREEZE_A: Final   = "68 06 06 68 73 05 51 00 FE 0B D2 16"
FREEZE_FD: Final  = "68 06 06 68 73 FD 51 00 FE 0B CA 16"
REQ1_A: Final     = "10 7B 05 80 16"
REQ0_A: Final     = "10 5B 05 60 16"
REQ1_FD: Final    = "10 7B FD 78 16"
REQ0_FD: Final    = "10 5B FD 58 16"

#: Reset part by MBUS_RESETMODE: what is sent, primary and secondary, and what it is called.
RESETS: Final = {
    2: ("None", "CFG-15.1", (), (SELECT,)),
    0: ("Standard", "CFG-15.2", (NKE_A,), (NKE_FF, SELECT)),
    1: ("Extended 1", "CFG-15.3", (NKE_FD, NKE_A), (NKE_FD, NKE_FF, SELECT)),
    3: ("Extended 2", "CFG-15.4", (NKE_FD, APPRESET_FD, NKE_A),
        (NKE_FD, SELECT, APPRESET_FD, NKE_FF, SELECT)),
}
#: Request part by MBUS_REQUESTMODE.
REQUESTS: Final = {
    "DEFAULT": ("Standard", "CFG-14.1", (REQ1_A,), (REQ1_FD,)),
    "EXT": ("Extended 1", "CFG-14.2", (GET1_A, REQ1_A), (GET1_FD, REQ1_FD)),
    "EXT2": ("Extended 2", "CFG-14.3", (GET2_A, REQ1_A), (GET2_FD, REQ1_FD)),
}
# fmt: on

METER_A: Final = WORKED_EXAMPLES[:1]
PRIMARY: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 5,
    "MBUS_MAXPRIMARYADDRESS": 5,
}
SECONDARY: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "SECONDARYSCAN",
    "MBUS_SEARCHTIMING": "ADAPTIVE",
}


async def read_once(trial: Trial) -> list[str]:
    """Find the meter, read it once, and return what the master sent for that."""
    await trial.appliance.scan()
    # The first pass of the cycle may follow the scan at once; the forced one stands alone.
    await trial.wait_s(30)
    before = len(trial.frames)
    await trial.appliance.readout()
    return [data.hex(" ").upper() for data in trial.sent(before)]


def _register(reset: int, request: str, *, primary: bool) -> None:
    reset_name, reset_id, *reset_parts = RESETS[reset]
    request_name, request_id, *request_parts = REQUESTS[request]
    index = 0 if primary else 1
    expected = [*reset_parts[index], *request_parts[index]]
    addressing = "primary" if primary else "secondary"

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        sent = await read_once(trial)
        evidence = [frame_evidence(one) for one in trial.frames[-6:]]
        what = f"{addressing} address, reset {reset_name}, request {request_name}"
        for requirement in (reset_id, request_id):
            verdicts.equal(requirement, what, " | ".join(expected), " | ".join(sent), *evidence)

    add(
        SuiteCase(
            id=f"master/{addressing}-reset-{reset}-{request.lower()}",
            title=f"Telegrams of a read-out: {addressing} address, reset {reset_name}, "
            f"request {request_name}",
            requirements=(reset_id, request_id),
            arrangement=Arrangement(
                METER_A,
                {
                    **(PRIMARY if primary else SECONDARY),
                    "MBUS_RESETMODE": reset,
                    "MBUS_REQUESTMODE": request,
                },
            ),
            procedure=procedure,
        )
    )


for _reset in RESETS:
    for _request in REQUESTS:
        for _primary in (True, False):
            _register(_reset, _request, primary=_primary)


@case(
    "master/defaults",
    "The factory's reset and request modes are Standard, at 2400 Bd with 8E1",
    ("CFG-14.1", "CFG-15.2", "CFG-10.1", "MBUS-01"),
    Arrangement(METER_A, PRIMARY, baudrate=2400),
)
async def defaults(trial: Trial, verdicts: Verdicts) -> None:
    """No mode is set: what is sent are the defaults; characters last 11 bits of 1/2400 s."""
    sent = await read_once(trial)
    for requirement in ("CFG-14.1", "CFG-15.2"):
        verdicts.equal(requirement, "sent", f"{NKE_A} | {REQ1_A}", " | ".join(sent))
    last = next(frame for frame in reversed(trial.frames) if frame.meter is None)
    # From the end of the first character to the end of the last: four characters of a short frame.
    bits = (last.at_ns - last.first_ns) * 2400 / 1e9
    for requirement in ("CFG-10.1", "MBUS-01"):
        verdicts.check(
            requirement,
            abs(bits - 4 * 11) < 0.01,
            f"four characters: expected 44 bits of 1/2400 s, seen {bits:.2f}",
            frame_evidence(last),
        )
    answered = [frame for frame in trial.frames if frame.meter == "a"]
    verdicts.check("MBUS-01", bool(answered), "expected a meter of 8E1 to understand, seen silence")


#: A meter whose every telegram says that more follow: only the limit ends its read-out.
PAGES: Final = (
    {"id": "big", "profile": "electricity-multipage", "identification_number": 40000001,
     "primary_address": 5, "faults": [{"endless_pages": True}]},
)  # fmt: skip


def _pages(name: str, title: str, limit: int | None, expected: int, ids: tuple[str, ...]) -> None:
    config = dict(PRIMARY) if limit is None else {**PRIMARY, "MBUS_MAXMULTIPAGE": limit}

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        sent = await read_once(trial)
        requests = [one for one in sent if one in (REQ1_A, REQ0_A)]
        # The frame count bit toggles with every page (MBDOC48 p.23).
        wanted = [REQ0_A if index % 2 else REQ1_A for index in range(expected)]
        for requirement in ids:
            verdicts.equal(requirement, "requests", " | ".join(wanted), " | ".join(requests))

    add(SuiteCase(f"master/pages-{name}", title, ids, Arrangement(PAGES, config), procedure))


_pages("default", "Of a meter without end three telegrams are asked for by default", None, 3,
       ("CFG-16", "MBUS-02", "MET-18.5"))  # fmt: skip
_pages("one", "A multipage limit of 1 asks for the first telegram only", 1, 1, ("MBUS-02",))
_pages("none", "A multipage limit of 0 asks for the first telegram only", 0, 1, ("MBUS-02",))
_pages("two", "A multipage limit of 2 asks for two telegrams", 2, 2, ("MBUS-02", "MET-18.5"))
_pages("ten", "A multipage limit of 10 asks for ten telegrams", 10, 10, ("MBUS-02",))
