"""The Modbus server by the worked examples: every request and its answer, byte for byte.

Requests and answers are written down as they stand on the wire; nothing of ours builds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from zlib import crc32

from reports.record import Evidence, Measurement
from scenarios.compliance.arrangement import WORKED_EXAMPLES, Arrangement
from scenarios.compliance.registry import SuiteCase, add, case

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import ModbusLink, Trial
    from scenarios.compliance.verdicts import Verdicts

CONFIG: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 5,
    "MBUS_MAXPRIMARYADDRESS": 9,
    "MBUS_TIMEOUT": 500,
    "MBUS_MAXRETRY": 1,
}
STANDARD: Final = Arrangement(WORKED_EXAMPLES, CONFIG)
_NS_PER_S: Final = 1_000_000_000


async def served(trial: Trial) -> ModbusLink:
    """Find, allocate and read the two meters; return a connection."""
    await trial.appliance.scan()
    await trial.appliance.allocate()
    await trial.appliance.readout()
    return await trial.connect()


class Asker:
    """Sends PDUs as hexadecimal text and compares the answers."""

    def __init__(self, link: ModbusLink, verdicts: Verdicts, unit: int = 255) -> None:
        self._link = link
        self._verdicts = verdicts
        self._unit = unit
        self._transaction = 0

    async def pdu(self, request: str, unit: int | None = None) -> str:
        """Return the PDU of the answer, "nothing" for silence, "closed" for the end."""
        unit = self._unit if unit is None else unit
        body = bytes.fromhex(request)
        self._transaction += 1
        head = self._transaction.to_bytes(2, "big") + b"\0\0"
        frame = head + (len(body) + 1).to_bytes(2, "big") + bytes((unit,)) + body
        answer = await self._link.exchange(frame)
        if answer is None:
            return "nothing"
        if not answer:
            return "closed"
        wanted = head + (len(answer) - 6).to_bytes(2, "big") + bytes((unit,))
        if answer[:7] != wanted:
            return f"a header {answer[:7].hex(' ').upper()} instead of {wanted.hex(' ').upper()}"
        return answer[7:].hex(" ").upper()

    async def expect(
        self, requirement: str, request: str, answer: str, unit: int | None = None
    ) -> None:
        """Compare one answer."""
        seen = await self.pdu(request, unit)
        where = "" if unit is None else f", unit {unit}"
        self._verdicts.equal(
            requirement,
            f"request {request}{where}",
            answer,
            seen,
            Evidence(kind="frame", where=f"Modbus, request {request}{where}", content=seen),
        )


def _exchanges(
    name: str, title: str, ids: tuple[str, ...], rows: tuple[tuple[str, str, str], ...],
    arrangement: Arrangement = STANDARD,
) -> None:  # fmt: skip
    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        asker = Asker(await served(trial), verdicts)
        for requirement, request, answer in rows:
            await asker.expect(requirement, request, answer)

    add(SuiteCase(f"modbus/{name}", title, ids, arrangement, procedure))


# fmt: off
_exchanges(
    "read", "Registers are read by function code 0x03, within the limits of Modbus",
    ("MOD-02", "MOD-06.1", "MOD-07", "REG-00.1"),
    (
        ("MOD-02", "03 00 1E 00 0A",
         "03 14 FF FF FF FF FF FF FB 2E C1 45 70 A4 FF FE 00 13 6B 00 35 C8"),
        ("MOD-02", "03 00 22 00 02", "03 04 C1 45 70 A4"),
        ("MOD-06.1", "03 00 22 00 02", "03 04 C1 45 70 A4"),
        ("MOD-07", "03 00 00 00 04", "03 08 00 01 28 83 00 01 00 82"),
        ("REG-00.1", "03 00 4E 00 04", "03 08 00 00 00 00 00 00 00 00"),
        ("REG-00.1", "03 00 50 00 01", "83 02"),
        ("REG-00.1", "03 FF FF 00 01", "83 02"),
        ("MOD-02", "03 FF FF 00 02", "83 02"),
        ("MOD-02", "03 00 00 00 00", "83 03"),
        ("MOD-02", "03 00 00 00 7E", "83 03"),
        ("MOD-02", "03 FF FF 00 7E", "83 03"),
        ("MOD-02", "03 00 00 00", "83 03"),
        ("MOD-02", "03 00 00 00 01 00", "83 03"),
    ),
)
_exchanges(
    "not-used", "Function codes that are not used are refused, with 02 or 01 as the manual says",
    ("MOD-03.1", "MOD-03.2", "MOD-03.3", "MOD-03.4", "MOD-03.5", "MOD-04"),
    (
        ("MOD-03.1", "01 00 00 00 01", "81 02"),
        ("MOD-03.2", "05 00 00 FF 00", "85 02"),
        ("MOD-03.3", "06 00 00 00 01", "86 02"),
        ("MOD-03.4", "0F 00 00 00 08 01 FF", "8F 02"),
        ("MOD-03.5", "10 00 00 00 01 02 00 01", "90 02"),
        ("MOD-03.1", "01", "81 02"),
        ("MOD-03.5", "10", "90 02"),
        *(("MOD-04", f"{code:02X} 00 00 00 01", f"{code | 0x80:02X} 01")
          for code in (0, 2, 4, 7, 8, 11, 17, 20, 21, 22, 23, 24, 0x41, 0x64, 0x6E, 0x7F,
                       0x80, 0x83, 0xAB, 0xFF)),
    ),
)
_IDENTIFICATION = ("03 00 1A 48 4D 53 20 49 6E 64 75 73 74 72 69 61 6C 20 4E 65 74 77 6F 72 6B 73 "
                   "20 41 42 01 01 {} 02 03 30 30 31")
_exchanges(
    "identification", "Device identification, basic: vendor, product code, revision",
    ("MOD-05.1", "MOD-05.3", "MOD-05.4", "MOD-05.5"),
    (
        *((id_, "2B 0E 01 00", "2B 0E 01 02 00 00 " + _IDENTIFICATION.format("32"))
          for id_ in ("MOD-05.1", "MOD-05.3", "MOD-05.4", "MOD-05.5")),
        ("MOD-05.1", "2B 0E 01 03", "2B 0E 01 02 00 00 " + _IDENTIFICATION.format("32")),
        ("MOD-05.1", "2B 0E 01 80", "2B 0E 01 02 00 00 " + _IDENTIFICATION.format("32")),
        ("MOD-05.1", "2B 03 01 00", "2B 03 01 02 00 00 " + _IDENTIFICATION.format("32")),
        ("MOD-05.1", "2B 0E 04 00", "AB 03"),
        ("MOD-05.1", "2B 0E 00 00", "AB 03"),
        ("MOD-05.1", "2B 0E 05 00", "AB 03"),
        ("MOD-05.1", "2B 0D 01 00", "AB 01"),
        ("MOD-05.1", "2B 0D", "AB 01"),
        ("MOD-05.1", "2B", "AB 03"),
        ("MOD-05.1", "2B 0E", "AB 03"),
        ("MOD-05.1", "2B 0E 01", "AB 03"),
        ("MOD-05.1", "2B 0E 01 00 00", "AB 03"),
    ),
)
_exchanges(
    "identification-20", "The small model names itself product code 1",
    ("MOD-05.4",),
    (("MOD-05.4", "2B 0E 01 00", "2B 0E 01 02 00 00 " + _IDENTIFICATION.format("31")),),
    Arrangement(WORKED_EXAMPLES, CONFIG, unit_loads=20),
)
# fmt: on


def _regular(unit_loads: int, checksum: int) -> None:
    ids = ("MOD-05.2", "MOD-05.6", "MOD-05.7", "MOD-05.8", "MOD-05.9")
    objects = {
        "MOD-05.6": (3, b"www.anybus.com"),
        "MOD-05.7": (4, b"Anybus M-Bus to Modbus-TCP Gateway"),
        "MOD-05.8": (5, b"Standard"),
        "MOD-05.9": (6, f"Anybus M-Bus to Modbus-TCP {unit_loads}".encode()),
    }

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        asker = Asker(await trial.connect(), verdicts)
        answer = await asker.pdu("2B 0E 02 00")
        evidence = Evidence(kind="frame", where="Modbus, request 2B 0E 02 00", content=answer)
        data = bytes.fromhex(answer) if answer.startswith("2B") else b""
        verdicts.equal("MOD-05.2", "length", 136, len(data), evidence)
        verdicts.equal("MOD-05.2", "CRC-32", f"{checksum:08X}", f"{crc32(data):08X}", evidence)
        verdicts.equal("MOD-05.2", "head", "2B 0E 02 02 00 00 07 00 1A", answer[:26], evidence)
        for requirement, (number, text) in objects.items():
            wanted = bytes((number, len(text))) + text
            verdicts.check(
                requirement,
                wanted in data,
                f"object {number}: expected {text.decode()!r}, not found in the answer",
                evidence,
            )
        everything = await asker.pdu("2B 0E 03 00")
        verdicts.equal("MOD-05.2", "code 03", answer.replace("0E 02", "0E 03", 1), everything)
        tail = await asker.pdu("2B 0E 02 05")
        verdicts.equal("MOD-05.2", "from object 5", "2B 0E 02 02 00 00 02 05 08", tail[:26])
        again = await asker.pdu("2B 0E 02 80")
        verdicts.equal("MOD-05.2", "from an unknown object", answer, again)

    add(
        SuiteCase(
            f"modbus/identification-regular-{unit_loads}",
            f"Device identification, regular, of the {unit_loads} UL model",
            ids,
            Arrangement(WORKED_EXAMPLES, CONFIG, unit_loads=unit_loads),
            procedure,
        )
    )


_regular(80, 0x223E2C30)
_regular(20, 0x1C0FC0BD)


@case(
    "modbus/dummy",
    "The dummy image stands in place of the meters, in the standard order",
    ("MOD-10.1", "MOD-10.2", "MOD-10.3", "SRV-03"),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MODBUSMETER_PROTOCOLVERSION": 8}),
    claims="dummy",
)
async def dummy(trial: Trial, verdicts: Verdicts) -> None:
    """The 30 registers of manual 5.2; register 26 is FFFC (C-04)."""
    link = await served(trial)
    asker = Asker(link, verdicts)
    rows = (
        ("MOD-10.1", 0, "00 02 99 3A 00 01 00 6F 51 9C C1 6D 00 00 01 00 00 00 00 00"),
        ("MOD-10.2", 10, "00 BC 61 4E 04 43 01 02 51 9C C1 64 00 00 02 00 00 00 00 00"),
        ("MOD-10.3", 20, "00 00 00 00 00 BC 61 4E 44 9A 52 2B FF FC 00 05 51 9C BB B3"),
    )
    for requirement, start, words in rows:
        await asker.expect(requirement, f"03 00 {start:02X} 00 0A", f"03 14 {words}")
        await asker.expect("SRV-03", f"03 00 {start:02X} 00 0A", f"03 14 {words}")
    await asker.expect("SRV-03", "03 00 1E 00 01", "83 02")


@case(
    "modbus/dummy-swapped",
    "The dummy image obeys the swap like any other",
    ("MOD-08", "MOD-10.3"),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MODBUSMETER_PROTOCOLVERSION": 8, "MODBUS_SWAP": 1}),
    claims="dummy",
)
async def dummy_swapped(trial: Trial, verdicts: Verdicts) -> None:
    """C-57: one encoder, so that an integrator checks the layout that he will use."""
    asker = Asker(await served(trial), verdicts)
    words = "61 4E 00 BC 00 00 00 00 52 2B 44 9A FF FC 00 05 BB B3 51 9C"
    for requirement in ("MOD-08", "MOD-10.3"):
        await asker.expect(requirement, "03 00 14 00 0A", f"03 14 {words}")


@case(
    "modbus/units",
    "With MODBUS_ADDRESS 0 any unit is the gateway; with another, that one and 0 and 255",
    ("MOD-02",),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MODBUS_ADDRESS": 17}),
)
async def units(trial: Trial, verdicts: Verdicts) -> None:
    """C-38: others get exception 0B, whatever the function."""
    asker = Asker(await served(trial), verdicts)
    for unit in (0, 17, 255):
        await asker.expect("MOD-02", "03 00 02 00 01", "03 02 00 01", unit)
    for unit in (1, 16, 18, 247, 254):
        await asker.expect("MOD-02", "03 00 02 00 01", "83 0B", unit)
        await asker.expect("MOD-02", "06 00 00 00 01", "86 0B", unit)


@case(
    "modbus/multi-slave-units",
    "In multi-slave mode each meter has a unit, and units of nobody are refused",
    ("SRV-06",),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MODBUSMETER_PROTOCOLVERSION": 2}),
    claims="multi_slave",
)
async def multi_slave(trial: Trial, verdicts: Verdicts) -> None:
    """The table of the worked examples, section 6."""
    asker = Asker(await served(trial), verdicts)
    for unit in (0, 255):
        await asker.expect("SRV-06", "03 00 02 00 01", "03 02 00 01", unit)
        await asker.expect("SRV-06", "03 00 0A 00 01", "83 02", unit)
    await asker.expect("SRV-06", "03 00 0A 00 03", "03 06 03 F8 3C AA 32 A7", 1)
    await asker.expect("SRV-06", "03 00 32 00 01", "83 02", 1)
    await asker.expect("SRV-06", "03 00 0A 00 03", "03 06 00 06 8A 7E 04 42", 2)
    await asker.expect("SRV-06", "03 00 1E 00 04", "03 08 00 00 00 00 6A E5 2F 80", 2)
    await asker.expect("SRV-06", "03 00 28 00 01", "83 02", 2)
    for unit in (3, 100, 247):
        await asker.expect("SRV-06", "03 00 00 00 01", "83 0B", unit)
        await asker.expect("SRV-06", "2B 0E 01 00", "AB 0B", unit)
    answer = await asker.pdu("2B 0E 01 00", 1)
    verdicts.check("SRV-06", answer.startswith("2B 0E 01"), f"unit 1, 2B: seen {answer}")


@case(
    "modbus/defaults",
    "The server is TCP on port 502 for five clients; the sixth is closed without a byte",
    ("MOD-01", "SRV-01.1", "SRV-01.3", "SRV-02", "NET-10.1"),
    Arrangement(WORKED_EXAMPLES, CONFIG),
)
async def connections(trial: Trial, verdicts: Verdicts) -> None:
    """C-37: accepted, closed, counted; after any close the next one is served."""
    read = bytes.fromhex("00 01 00 00 00 06 FF 03 00 02 00 01")
    wanted = bytes.fromhex("00 01 00 00 00 05 FF 03 02 00 01")
    links = [await trial.connect() for _ in range(5)]
    for number, link in enumerate(links, 1):
        answer = await link.exchange(read)
        for requirement in ("MOD-01", "SRV-01.1", "SRV-01.3", "SRV-02", "NET-10.1"):
            verdicts.equal(requirement, f"connection {number}", wanted, answer)
    sixth = await trial.connect()
    seen = await sixth.listen(_NS_PER_S)
    for requirement in ("SRV-01.3", "NET-10.1"):
        verdicts.equal(requirement, "sixth connection, without a request", b"", seen)
    await links[0].close()
    await trial.wait_s(1)
    seventh = await trial.connect()
    verdicts.equal("SRV-01.3", "a connection after a close", wanted, await seventh.exchange(read))


def _idle(name: str, title: str, config: dict[str, str | int], steps: tuple[tuple[int, str], ...],
          end_s: int) -> None:  # fmt: skip
    """A connection that does `steps` (second, bytes) must be closed at `end_s`, within a second."""

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        link = await trial.connect()
        started = trial.rt.now()
        for at_s, data in steps:
            await trial.rt.sleep_until(started + at_s * _NS_PER_S)
            await link.exchange(bytes.fromhex(data), wait_ns=_NS_PER_S // 2)
        while await link.listen(120 * _NS_PER_S):
            pass
        seconds = (trial.rt.now() - started) / _NS_PER_S
        verdicts.measured(
            "SRV-01.3",
            Measurement(
                name="closed after",
                value=seconds,
                unit="s",
                minimum=end_s - 0.001,
                maximum=end_s + 1,
            ),
        )

    add(SuiteCase(f"modbus/idle-{name}", title, ("SRV-01.3",), Arrangement(
        WORKED_EXAMPLES, {**CONFIG, **config}), procedure))  # fmt: skip


_READ = "00 01 00 00 00 06 FF 03 00 02 00 01"
_HALF = "00 01 00 00 00 06"
_idle("nothing", "A connection that says nothing is closed after 60 s", {}, (), 60)
_idle("after-request", "60 s count from the last complete request", {}, ((50, _READ),), 110)
_idle("half", "Half a request does not restart the 60 s", {}, ((0, _READ), (30, _HALF)), 60)
_idle(
    "unfinished",
    "A request that is not finished within MODBUS_CONNECTIONTIMEOUT ends the connection",
    {"MODBUS_CONNECTIONTIMEOUT": 10},
    ((0, _READ), (30, _HALF)),
    40,
)
_idle(
    "refused-request",
    "A request that is refused counts like any other",
    {},
    ((50, "00 01 00 00 00 02 FF 07"),),
    110,
)
_idle(
    "unfinished-for-ever",
    "MODBUS_CONNECTIONTIMEOUT=0 is no limit for an unfinished request",
    {"MODBUS_CONNECTIONTIMEOUT": 0},
    ((0, _READ), (30, _HALF)),
    60,
)
_idle(
    "byte-by-byte",
    "The time of a request counts from its first byte, however slowly the others come",
    {"MODBUS_CONNECTIONTIMEOUT": 10},
    ((0, "00"), (4, "01"), (8, "00")),
    10,
)
_idle(
    "unfinished-behind-another",
    "The time of a request counts from its own first byte, not from that of one before",
    {"MODBUS_CONNECTIONTIMEOUT": 10},
    ((3, _HALF), (8, "FF 03 00 02 00 01 " + _HALF)),
    18,
)
_idle(
    "changed",
    "MODBUS_DISCONNECTTIMEOUT is obeyed",
    {"MODBUS_DISCONNECTTIMEOUT": 7},
    (),
    7,
)


@case(
    "modbus/udp",
    "The mode UDP answers datagrams and takes no connection",
    ("SRV-01.2",),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MODBUS_MODE": "UDP"}),
    claims="udp",
)
async def udp(trial: Trial, verdicts: Verdicts) -> None:
    """C-22: MODBUS_MODE."""
    try:
        await trial.connect()
    except OSError:
        refused = True
    else:
        refused = False
    verdicts.check("SRV-01.2", refused, "a TCP connection: expected it refused, seen it accepted")
    answer = await trial.datagram(bytes.fromhex(_READ))
    wanted = bytes.fromhex("00 01 00 00 00 05 FF 03 02 00 01")
    verdicts.equal("SRV-01.2", "answer to a datagram", wanted, answer)


@case(
    "modbus/port",
    "The Modbus port can be changed",
    ("SRV-02", "TROUBLE-00"),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MODBUS_NWPORT": 1502}),
)
async def port(trial: Trial, verdicts: Verdicts) -> None:
    """The old port is then silent, which is what the troubleshooting chapter is about."""
    for number, wanted in ((1502, True), (502, False)):
        try:
            link = await trial.connect(number)
        except OSError:
            answers = False
        else:
            answers = bool(await link.exchange(bytes.fromhex(_READ)))
        for requirement in ("SRV-02", "TROUBLE-00"):
            verdicts.equal(requirement, f"port {number} answers", wanted, answers)


@case(
    "modbus/disabled",
    "A Modbus server that is not enabled is not there",
    ("MOD-01",),
    Arrangement(WORKED_EXAMPLES, {**CONFIG, "MODBUS_ENABLE": 0}),
)
async def disabled(trial: Trial, verdicts: Verdicts) -> None:
    """MODBUS_ENABLE 0 (manual 9.4)."""
    try:
        await trial.connect()
    except OSError:
        refused = True
    else:
        refused = False
    verdicts.check("MOD-01", refused, "expected no server, seen a connection accepted")
