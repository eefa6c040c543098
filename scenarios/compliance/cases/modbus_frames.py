"""The Modbus server at its edges: streams cut anywhere, headers that lie, the last registers.

The frames are written down as they stand on the wire. What each must give follows from the manual
(5, 6.2), the Modbus application protocol, and the decisions C-03, C-10, C-12, C-36 to C-38.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from scenarios.compliance.arrangement import MODBUS, WORKED_EXAMPLES, Arrangement
from scenarios.compliance.cases.device_state import LISTED, PRIMARY
from scenarios.compliance.cases.modbus_server import STANDARD, Asker, served
from scenarios.compliance.registry import case

if TYPE_CHECKING:
    from scenarios.compliance.arrangement import ModbusLink, Trial
    from scenarios.compliance.verdicts import Verdicts

_NS_PER_S: Final = 1_000_000_000
#: Requests of one client: beyond what a gateway may let through at once and then no more.
POLLS: Final = 2500
#: A read of register 2, which holds 1, and its answer, behind the transaction identifier.
_READ: Final = "00 00 00 06 FF 03 00 02 00 01"
_ANSWER: Final = "00 00 00 05 FF 03 02 00 01"


def _request(transaction: int) -> bytes:
    return transaction.to_bytes(2, "big") + bytes.fromhex(_READ)


def _answer(transaction: int) -> bytes:
    return transaction.to_bytes(2, "big") + bytes.fromhex(_ANSWER)


async def _sent(link: ModbusLink, data: bytes, count: int) -> list[bytes | None]:
    """Send bytes, and give the next `count` answers."""
    first = await link.exchange(data)
    return [first, *[await link.listen(_NS_PER_S) for _ in range(count - 1)]]


@case(
    "modbus/stream",
    "Requests are answered one by one, however the network joins or cuts them",
    ("MOD-02", "MOD-01"),
    Arrangement(WORKED_EXAMPLES),
)
async def stream(trial: Trial, verdicts: Verdicts) -> None:
    """TCP knows no frames: requests come together, in pieces, and with any transaction."""
    link = await trial.connect()
    for transactions in ((1, 2), (3, 0x1234, 0xFFFF, 0, 4)):
        together = b"".join(map(_request, transactions))
        answers = await _sent(link, together, len(transactions))
        wanted = [_answer(one) for one in transactions]
        for requirement in ("MOD-02", "MOD-01"):
            what = f"{len(transactions)} requests in one piece"
            verdicts.equal(requirement, what, wanted, answers)
    for byte in _request(5)[:-1]:
        await link.exchange(bytes((byte,)), wait_ns=_NS_PER_S // 100)
    answer = await link.exchange(_request(5)[-1:])
    verdicts.equal("MOD-02", "a request byte by byte", _answer(5), answer)
    data = _request(6) + _request(7)
    verdicts.equal("MOD-02", "one and a half", _answer(6), await link.exchange(data[:18]))
    verdicts.equal("MOD-02", "the other half", _answer(7), await link.exchange(data[18:]))
    foreign = bytes.fromhex("00 08 00 01 00 06 FF 03 00 02 00 01")
    verdicts.equal("MOD-02", "another protocol", None, await link.exchange(foreign, _NS_PER_S))
    verdicts.equal("MOD-02", "and behind it", _answer(9), await link.exchange(_request(9)))
    both = await _sent(link, foreign + _request(10), 1)
    verdicts.equal("MOD-02", "another protocol and a request", [_answer(10)], both)
    for length in (0, 1, 255, 0xFFFF):
        link = await trial.connect()
        head = bytes.fromhex("00 0B 00 00") + length.to_bytes(2, "big")
        seen = await link.exchange(head + bytes.fromhex("FF 03 00 02 00 01"), _NS_PER_S)
        verdicts.equal("MOD-02", f"length field {length}, which cannot be", b"", seen)
        await link.close()


@case(
    "modbus/longest",
    "125 registers fit one answer, whatever lies behind the last entry",
    ("MOD-02", "REG-00.1"),
    STANDARD,
)
async def longest(trial: Trial, verdicts: Verdicts) -> None:
    """The byte count is FA, and registers that are not mapped are 0 (C-12)."""
    asker = Asker(await served(trial), verdicts)
    for quantity in (124, 125):
        for start in (0, 1, 79):
            answer = await asker.pdu(f"03 00 {start:02X} 00 {quantity:02X}")
            what = f"{quantity} registers from {start}"
            verdicts.equal("MOD-02", f"{what}: head", f"03 {2 * quantity:02X}", answer[:5])
            verdicts.equal("MOD-02", f"{what}: bytes", 2 + 2 * quantity, len(answer.split()))
            rest = set(answer.split()[2 + 2 * (80 - start) :])
            verdicts.equal("REG-00.1", f"{what}: behind register 79", {"00"} == rest, True)


#: Where a client may find nothing, or an entry that begins elsewhere (C-10, C-12).
_SPREAD: Final = LISTED.format(cycle="", active="", third=60).replace(
    "<register>30</register>", "<register>40</register>"
)


@case(
    "modbus/gaps",
    "Gaps between entries read 0, and a read may begin and end in one",
    ("MOD-02", "REG-00.1"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, {"app/Device_Handle.cfg": _SPREAD.encode()}),
)
async def gaps(trial: Trial, verdicts: Verdicts) -> None:
    """Entries at 10, 20, 40 and 60: the first register is the energy's power of ten."""
    await trial.appliance.readout()
    asker = Asker(await trial.connect(), verdicts)
    for requirement in ("MOD-02", "REG-00.1"):
        await asker.expect(requirement, "03 00 1E 00 0A", "83 02")
        await asker.expect(requirement, "03 00 1C 00 04", "03 08 6B 00 35 C8 00 00 00 00")
        await asker.expect(requirement, "03 00 26 00 04", "03 08 00 00 00 00 FF FF FF FF")
        await asker.expect(
            requirement, "03 00 30 00 10",
            "03 20 6B 00 35 C8 " + "00 00 " * 10 + "00 00 00 00 00 BC 61 4E",
        )  # fmt: skip
        await asker.expect(requirement, "03 00 32 00 0A", "83 02")
        await asker.expect(requirement, "03 00 3C 00 04", "03 08 00 00 00 00 00 BC 61 4E")
    await asker.expect("MOD-02", "03 00 17 00 01", "03 02 01 0B")
    await asker.expect("MOD-02", "03 00 2B 00 03", "03 06 FB 2E C1 45 70 A4")
    await asker.expect("REG-00.1", "03 00 46 00 7D", "83 02")


def _at(meter: int, first: int, second: int, third: int) -> bytes:
    """The list of meter A with these registers."""
    text = LISTED.format(cycle="", active="", third=third)
    for old, new in ((10, meter), (20, first), (30, second)):
        text = text.replace(f"<register>{old}</register>", f"<register>{new}</register>", 1)
    return text.encode()


@case(
    "modbus/any-order",
    "Entries are served where they are, whatever their order in the list",
    ("REG-00.1", "REG-00.2", "MOD-02"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, {"app/Device_Handle.cfg": _at(90, 50, 130, 20)}),
)
async def any_order(trial: Trial, verdicts: Verdicts) -> None:
    """The meter behind its first value, the third value before all."""
    await trial.appliance.readout()
    served = await trial.registers(last=159)
    wanted = [start + offset for start in (0, 20, 50, 90, 130) for offset in range(10)]
    for requirement in ("REG-00.1", "REG-00.2", "MOD-02"):
        verdicts.equal(requirement, "registers served", wanted, sorted(served))
    heads = [served.get(address) for address in (22, 52, 92, 132)]
    verdicts.equal("MOD-02", "register +2 of each", [0x00BC, 0, 0x32A7, 0xFFFF], heads)


@case(
    "modbus/high-addresses",
    "Entries are served up to the last address there is",
    ("MOD-07", "MET-14.1", "MOD-02"),
    Arrangement(
        WORKED_EXAMPLES[:1], PRIMARY, {"app/Device_Handle.cfg": _at(32760, 32770, 65510, 65520)}
    ),
)
async def high_addresses(trial: Trial, verdicts: Verdicts) -> None:
    """32768 is the first address with its highest bit set, 65520 the last for an entry (C-10)."""
    await trial.appliance.readout()
    asker = Asker(await trial.connect(), verdicts)
    for requirement in ("MOD-07", "MET-14.1"):
        await asker.expect(requirement, "03 7F F8 00 03", "03 06 03 F8 3C AA 32 A7")
        await asker.expect(requirement, "03 80 02 00 04", "03 08 00 00 00 00 00 00 01 0B")
        await asker.expect(requirement, "03 FF E9 00 03", "03 06 FB 2E C1 45 70 A4")
        await asker.expect(requirement, "03 FF F0 00 04", "03 08 00 00 00 00 00 BC 61 4E")
    await asker.expect("MOD-02", "03 FF F6 00 0A", "03 14 FF FE 00 07 6B 00 35 C8" + " 00 00" * 6)
    await asker.expect("MOD-02", "03 FF F6 00 0B", "83 02")
    await asker.expect("MOD-02", "03 FF FA 00 06", "83 02")


@case(
    "modbus/invalid-addresses",
    "An entry whose address is no multiple of ten, or lies too low or too high, is not served",
    ("MET-14.1", "REG-00.1"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY, {"app/Device_Handle.cfg": _at(10, 24, 65530, 65525)}),
)
async def invalid_addresses(trial: Trial, verdicts: Verdicts) -> None:
    """A file may say anything; the other entries are served all the same (C-10, C-67)."""
    await trial.appliance.readout()
    asker = Asker(await trial.connect(), verdicts)
    for requirement in ("MET-14.1", "REG-00.1"):
        await asker.expect(requirement, "03 00 0A 00 03", "03 06 03 F8 3C AA 32 A7")
        await asker.expect(requirement, "03 00 14 00 7D", "83 02")
        await asker.expect(requirement, "03 FF 83 00 7D", "83 02")


@case(
    "modbus/float-only-addresses",
    "In the float-only layout a value may stand at the last two registers, none below 10",
    ("SRV-05", "REG-00.1", "MET-14.1", "MOD-02"),
    Arrangement(
        WORKED_EXAMPLES[:1],
        {**PRIMARY, "MODBUSMETER_PROTOCOLVERSION": 1},
        {"app/Device_Handle.cfg": _at(10, 4, 22, 65534)},
    ),
    claims="float_only",
)
async def float_only_addresses(trial: Trial, verdicts: Verdicts) -> None:
    """Even addresses, meters up to 65526, values up to 65534 (C-10)."""
    await trial.appliance.readout()
    asker = Asker(await trial.connect(), verdicts)
    for requirement in ("SRV-05", "MET-14.1", "MOD-02"):
        await asker.expect(requirement, "03 00 16 00 02", "03 04 C1 45 70 A4")
        await asker.expect(requirement, "03 FF FE 00 02", "03 04 47 F1 20 64")
    await asker.expect("REG-00.1", "03 00 06 00 04", "03 08 00 00 01 00 00 00 00 00")
    time = await asker.pdu("03 00 04 00 02")
    unspoilt = time != "03 04 48 82 5F 00"
    verdicts.check("REG-00.1", unspoilt, f"expected the gateway's time in register 4, seen {time}")
    await asker.expect("REG-00.1", "03 00 14 00 02", "83 02")


@case(
    "modbus/value-without-meter",
    "In multi-slave mode a value whose meter has no register has no unit either",
    ("SRV-06", "REG-00.1"),
    Arrangement(
        WORKED_EXAMPLES[:1],
        {**PRIMARY, "MODBUSMETER_PROTOCOLVERSION": 2},
        {"app/Device_Handle.cfg": _at(0, 20, 30, 40)},
    ),
    claims="multi_slave",
)
async def value_without_meter(trial: Trial, verdicts: Verdicts) -> None:
    """C-11: only a meter with a register has a slave address."""
    await trial.appliance.readout()
    asker = Asker(await trial.connect(), verdicts)
    for requirement in ("SRV-06", "REG-00.1"):
        await asker.expect(requirement, "03 00 00 00 04", "03 08 00 01 28 83 00 01 00 82", 0)
        await asker.expect(requirement, "03 00 0A 00 7D", "83 02", 0)
        await asker.expect(requirement, "03 00 00 00 01", "83 0B", 1)


@case(
    "modbus/any-unit",
    "Without MODBUS_ADDRESS every unit identifier is the gateway",
    ("MOD-02",),
    STANDARD,
)
async def any_unit(trial: Trial, verdicts: Verdicts) -> None:
    """C-38, the reserved ones from 248 on as well."""
    asker = Asker(await served(trial), verdicts)
    for unit in (0, 1, 2, 100, 247, 248, 250, 254, 255):
        await asker.expect("MOD-02", "03 00 0A 00 01", "03 02 03 F8", unit)
        await asker.expect("MOD-02", "03 00 50 00 01", "83 02", unit)


@case(
    "modbus/refused-functions",
    "Functions are refused by their code alone, whatever stands behind it",
    ("MOD-03.1", "MOD-03.2", "MOD-03.3", "MOD-03.4", "MOD-03.5", "MOD-04"),
    STANDARD,
)
async def refused_functions(trial: Trial, verdicts: Verdicts) -> None:
    """Impossible quantities and values, mapped addresses, lengths that do not fit (C-03)."""
    asker = Asker(await served(trial), verdicts)
    rows = (
        ("MOD-03.1", "01", ("", "00 00 00 00", "00 00 FF FF", "00 0A 00 01", "00 00 00 01 00")),
        ("MOD-03.2", "05", ("", "00 0A FF 00", "00 0A 12 34", "FF FF 00 00")),
        ("MOD-03.3", "06", ("", "00 0A 00 01", "00 14 FF FF", "FF FF 00 01 00")),
        ("MOD-03.4", "0F", ("", "00 0A 00 00 00", "00 0A 00 08 02 FF", "00 0A 00 08 01 FF")),
        ("MOD-03.5", "10", ("", "00 0A 00 01 02 00 01", "00 0A 00 00 00", "00 0A 00 02 02 00 01",
                            "00 0A")),
        ("MOD-04", "02", ("", "00 00 00 01", "00 0A 00 08")),
        ("MOD-04", "04", ("", "00 0A 00 01", "00 00 00 00")),
        ("MOD-04", "08", ("00 00 A5 37", "00 0A 00 00")),
        ("MOD-04", "17", ("00 0A 00 01 00 0A 00 01 02 00 01",)),
        ("MOD-04", "83", ("", "02")),
    )  # fmt: skip
    for requirement, code, bodies in rows:
        exception = "02" if requirement.startswith("MOD-03") else "01"
        for body in bodies:
            answer = f"{int(code, 16) | 0x80:02X} {exception}"
            await asker.expect(requirement, f"{code} {body}".strip(), answer)


@case(
    "modbus/units-first",
    "Whoever is not there refuses every function",
    ("MOD-02", "MOD-04", "SRV-06"),
    Arrangement(
        WORKED_EXAMPLES, {**PRIMARY, "MODBUS_ADDRESS": 17, "MODBUSMETER_PROTOCOLVERSION": 2}
    ),
    claims="multi_slave",
)
async def units_first(trial: Trial, verdicts: Verdicts) -> None:
    """C-12: the unit is looked at before the function."""
    asker = Asker(await served(trial), verdicts)
    for requirement in ("MOD-02", "MOD-04", "SRV-06"):
        for request in ("03 00 00 00 01", "03 00 00 00 00", "07", "01 00 00 00 01", "2B 0E 01 00"):
            answer = f"{int(request[:2], 16) | 0x80:02X} 0B"
            await asker.expect(requirement, request, answer, 200)
    for unit in (0, 1, 2, 17, 255):
        head = (await asker.pdu("2B 0E 01 00", unit))[:8]
        verdicts.equal("SRV-06", f"identification of unit {unit}", "2B 0E 01", head)
        await asker.expect("SRV-06", "03 00 02 00 01", "03 02 00 01", unit)


@case(
    "modbus/dummy-layouts",
    "The dummy image obeys the float-only and the multi-slave layout",
    ("SRV-03",),
    Arrangement(WORKED_EXAMPLES, {**PRIMARY, "MODBUSMETER_PROTOCOLVERSION": 9}),
    claims="dummy",
)
async def dummy_layouts(trial: Trial, verdicts: Verdicts) -> None:
    """Worked examples 8: one encoder, so that an integrator checks the layout he will use."""
    asker = Asker(await trial.connect(), verdicts)
    await asker.expect("SRV-03", "03 00 14 00 02", "03 04 44 9A 52 2B")
    await asker.expect("SRV-03", "03 00 16 00 01", "83 02")
    await trial.set_chip_ini(MODBUSMETER_PROTOCOLVERSION=10)
    asker = Asker(await trial.connect(), verdicts)
    for unit in (0, 255):
        await asker.expect("SRV-03", "03 00 00 00 02", "03 04 00 02 99 3A", unit)
        await asker.expect("SRV-03", "03 00 0A 00 01", "83 02", unit)
    await asker.expect("SRV-03", "03 00 0A 00 03", "03 06 00 BC 61 4E 04 43", 1)
    await asker.expect("SRV-03", "03 00 18 00 04", "03 08 44 9A 52 2B FF FC 00 05", 1)
    await asker.expect("SRV-03", "03 00 0A 00 01", "83 0B", 2)


# --- Connections and datagrams --------------------------------------------------------------------


async def _admitted(trial: Trial, count: int) -> list[bool]:
    """Open so many connections; which of them are served."""
    links = [await trial.connect() for _ in range(count)]
    seen = []
    for link in links:
        try:
            seen.append(await link.exchange(_request(1), _NS_PER_S) == _answer(1))
        except OSError:
            seen.append(False)
    return seen


@case(
    "modbus/places",
    "Places are free again behind an idle close, and MODBUS_MAXCONNECTIONS counts them",
    ("SRV-01.3", "NET-10.1"),
    Arrangement(WORKED_EXAMPLES[:1], PRIMARY),
)
async def places(trial: Trial, verdicts: Verdicts) -> None:
    """C-36, C-37: 5 by default, 0 lets nobody in, the file may say more."""
    for round_ in (1, 2):
        seen = await _admitted(trial, 6)
        for requirement in ("SRV-01.3", "NET-10.1"):
            verdicts.equal(requirement, f"served, round {round_}", [True] * 5 + [False], seen)
        counters = trial.appliance.counters()
        counted = (counters.rejected, counters.accepted) if counters else None
        verdicts.equal("SRV-01.3", "turned away, let in", (round_, 5 * round_), counted)
        await trial.wait_s(62)
    for limit in (0, 1, 7):
        await trial.set_chip_ini(MODBUS_MAXCONNECTIONS=limit)
        seen = await _admitted(trial, limit + 1)
        verdicts.equal("SRV-01.3", f"served of {limit}", [True] * limit + [False], seen)


@case(
    "modbus/datagrams",
    "Every datagram that is one request is answered to its sender, and no other",
    ("SRV-01.2",),
    Arrangement(WORKED_EXAMPLES[:1], {**PRIMARY, "MODBUS_MODE": "UDP"}),
    claims="udp",
)
async def datagrams(trial: Trial, verdicts: Verdicts) -> None:
    """Runts, surplus and other protocols are dropped in silence; exceptions are answers."""
    for what, data in (
        ("a runt of 1 byte", "00"),
        ("a runt of 4 bytes", "00 01 00 00"),
        ("a runt of 6 bytes", "00 01 00 00 00 00"),
        ("a runt of 7 bytes", "00 01 00 00 00 06 FF"),
        ("a byte too many", "00 01 00 00 00 06 FF 03 00 02 00 01 00"),
        ("a byte too few", "00 01 00 00 00 06 FF 03 00 02 00"),
        ("another protocol", "00 01 00 01 00 06 FF 03 00 02 00 01"),
        ("two requests", "00 01 00 00 00 06 FF 03 00 02 00 01" * 2),
    ):
        verdicts.equal("SRV-01.2", what, None, await trial.datagram(bytes.fromhex(data)))
    for what, data, answer in (
        ("a quantity of 0", "00 02 00 00 00 06 FF 03 00 02 00 00", "00 02 00 00 00 03 FF 83 03"),
        ("function 07", "00 03 00 00 00 02 07 07", "00 03 00 00 00 03 07 87 01"),
    ):
        wanted = bytes.fromhex(answer)
        verdicts.equal("SRV-01.2", what, wanted, await trial.datagram(bytes.fromhex(data)))
    network = trial.rt.network.datagrams
    sockets = [network.bind((f"192.168.1.{host}", 0)) for host in range(201, 207)]
    answered = 0
    for transaction in range(50):
        for socket in sockets:
            socket.send(MODBUS, _request(transaction))
        for socket in sockets:
            try:
                with trial.rt.timeout(_NS_PER_S):
                    seen, _ = await socket.receive()
            except TimeoutError:
                continue
            answered += bytes(seen) == _answer(transaction)
    verdicts.equal("SRV-01.2", "answers to 50 requests of six clients", 300, answered)
    # A master that polls faster than any does, for three seconds (UDP-02).
    socket, answered, turn = sockets[0], 0, trial.rt.now()
    for transaction in range(POLLS):
        turn += _NS_PER_S // 900
        socket.send(MODBUS, _request(transaction))
        with suppress(TimeoutError), trial.rt.timeout(_NS_PER_S // 1000):
            await socket.receive()
            answered += 1
        await trial.rt.sleep_until(turn)
    verdicts.equal("SRV-01.2", f"answers to {POLLS} requests, 900 in a second", POLLS, answered)
