"""What each key of chip.ini does, seen from outside: on the wire, in registers, files and rows.

One test a key, named by the attribute of its row in the typed model. Each sets its key to something
else than the default and sees the difference; ``tox -e keys`` puts the default in its place, and
then the test must fail (`tests.gateway.keys.mutation`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from gateway.device import meter_list
from gateway.device.meter_list import Meter
from gateway.device.sessions import SessionError
from gateway.runtime.port import NS_PER_S, Parity
from tests.gateway.device.examples import TELEGRAMS, names
from tests.gateway.device.plant import LIST, MODBUS, Plant, Story

if TYPE_CHECKING:
    from tests.gateway.device.plant import Plant as _Plant

A, B = "66600106", "00428670"
#: A list with meter A by its primary address, and one with a meter that is not there.
METER_A: dict[str, bytes] = {
    LIST: meter_list.save([Meter(serial=A, primaryaddress=5, addressmode=1, register=10)])
}
NOBODY: dict[str, bytes] = {
    LIST: meter_list.save([Meter(serial="00000077", primaryaddress=77, addressmode=1)])
}
ASK = bytes.fromhex("0001 0000 0006 FF 03 0000 0001")
BOARD: dict[str, Any] = {"id": "board", "profile": "electricity-multipage"}


def after(seconds: float, plant: Plant) -> Plant:
    """A plant that has run for so long."""

    async def story(plant: Plant) -> None:
        await plant.seconds(seconds)

    plant.run(story)
    return plant


def scanned(plant: Plant) -> list[str]:
    """The numbers that a scan lists."""
    found: list[str] = []

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        found.extend(view.identification_number for view in plant.appliance.meters())

    plant.run(story)
    return found


def telegrams(plant: Plant) -> list[str]:
    """The master's telegrams by their names in worked examples 10."""
    return names([data for _, data in plant.sent()])


# --- The bus --------------------------------------------------------------------------------------


def test_mbus_baudrate() -> None:
    """C-40: the port is opened at this speed."""
    plant = after(5, Plant(files=METER_A, MBUS_BAUDRATE=9600))
    assert plant.formats[0].baudrate == 9600
    assert plant.values("gateway.readout")[-1] == "done"
    assert plant.logged("meter.read")[-1][1]["flags"] == 0


def test_mbus_databits() -> None:
    """7 or 8 data bits in every character."""
    assert after(1, Plant(MBUS_DATABITS=7)).formats[0].data_bits == 7


def test_mbus_parity() -> None:
    """0 none, 1 odd, 2 even, 3 mark, 4 space."""
    for number, parity in enumerate((Parity.NONE, Parity.ODD, None, Parity.MARK, Parity.SPACE)):
        if parity is not None:
            assert after(1, Plant(MBUS_PARITY=number)).formats[0].parity is parity


def test_mbus_stopbits() -> None:
    """1 or 2 stop bits behind every character."""
    assert after(1, Plant(MBUS_STOPBITS=2)).formats[0].stop_bits == 2


def test_mbus_enable() -> None:
    """MBUS-04, row 9: with 0 nothing is sent, and what is due cannot be read."""
    plant = after(5, Plant(files=METER_A, MBUS_ENABLE=0))
    assert plant.sent() == []
    assert plant.logged("meter.read")[-1][1]["flags"] == 3


def test_mbus_timeout() -> None:
    """Worked examples 12: last character sent to the first one heard, before the next try."""
    plant = after(60, Plant(files=NOBODY, MBUS_TIMEOUT=3210, MBUS_MAXRETRY=1))
    first, second = (at for at, data in plant.sent() if data.startswith("10 7B"))
    assert second - first == pytest.approx(3.21 + 55 / 9600, abs=0.01)


def test_mbus_idletimeout() -> None:
    """Worked examples 12: a silence of this length ends a broken answer."""
    cut: dict[str, Any] = {"id": "a", "profile": "worked-example-a", "primary_address": 5}
    cut["faults"] = [{"truncated": {"characters": 20}}]
    plant = after(20, Plant([cut], files=METER_A, MBUS_IDLETIMEOUT=900, MBUS_MAXRETRY=1))
    first, second = (at for at, data in plant.sent() if data.startswith("10 7B"))
    assert second - first > 0.9


def test_mbus_fulltimeout() -> None:
    """C-70: a telegram that takes longer is broken; 42 characters at 9600 Bd take 48 ms."""
    plant = after(30, Plant(files=METER_A, MBUS_FULLTIMEOUT=30))
    assert plant.logged("meter.read")[-1][1]["flags"] == 3
    reasons = {fields["reason"] for _, fields in plant.logged("link.received")}
    assert "no end within MBUS_FULLTIMEOUT" in reasons


def test_mbus_maxretry() -> None:
    """C-39: extra sends of a request."""
    plant = after(60, Plant(files=NOBODY, MBUS_MAXRETRY=5))
    assert [data[:5] for _, data in plant.sent()].count("10 7B") == 6


def test_mbus_maxmultipage() -> None:
    """C-61: telegrams of a read-out, the first included; a list cut by it shows "*"."""
    plant = Plant([BOARD], MBUS_MAXMULTIPAGE=2)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        assert plant.flags() == [0]
        assert plant.appliance.meters()[0].reading.limited

    plant.run(story)


def test_mbus_requestmode() -> None:
    """C-19, worked examples 10: what is sent before the first REQ_UD2."""
    expected = {"EXT": "GET1-A", "EXT2": "GET2-A", "FREEZE": "FREEZE-A"}
    for mode, name in expected.items():
        plant = after(2, Plant(files=METER_A, MBUS_REQUESTMODE=mode))
        assert telegrams(plant) == ["NKE-A", name, "REQ1-A"]
    only = after(2, Plant(files=METER_A, MBUS_REQUESTMODE="ONLY"))
    assert telegrams(only) == ["REQ1-A"]


def test_mbus_freezestorageum() -> None:
    """C-19: the storage number in the freeze request."""
    plant = Plant(files=METER_A, MBUS_REQUESTMODE="FREEZE", MBUS_FREEZESTORAGEUM=2)
    assert telegrams(after(2, plant))[1] == "FREEZE-A 2"


def test_muc_use_freeze() -> None:
    """C-19: freeze before the request part of every mode."""
    plant = after(2, Plant(files=METER_A, MUC_USE_FREEZE=1))
    assert telegrams(plant) == ["NKE-A", "FREEZE-A", "REQ1-A"]


def test_mbus_resetmode() -> None:
    """C-18, worked examples 10: what is reset before a read-out."""
    expected = {1: ["NKE-FD", "NKE-A"], 2: [], 3: ["NKE-FD", "APPRESET-FD", "NKE-A"]}
    for mode, resets in expected.items():
        plant = after(2, Plant(files=METER_A, MBUS_RESETMODE=mode))
        assert telegrams(plant) == [*resets, "REQ1-A"]


def test_mbus_resetdisable() -> None:
    """C-18: no reset, whatever the mode."""
    plant = after(2, Plant(files=METER_A, MBUS_RESETMODE=1, MBUS_RESETDISABLE=1))
    assert telegrams(plant) == ["REQ1-A"]


def test_mbus_wakeupenable() -> None:
    """C-62: a broadcast and a silence before each reset part."""
    plant = after(2, Plant(files=METER_A, MBUS_WAKEUPENABLE=1))
    assert telegrams(plant) == ["NKE-FF", "NKE-A", "REQ1-A"]


def test_mbus_selectmask() -> None:
    """SCAN-07: the version becomes a wildcard when the meter is selected."""
    entry = Meter(serial=A, manufacturer="LUG", version=2, medium=4)
    plant = after(2, Plant(files={LIST: meter_list.save([entry])}, MBUS_SELECTMASK=4))
    assert TELEGRAMS["SELECT mask 4"] in [data for _, data in plant.sent()]


# --- Scans ----------------------------------------------------------------------------------------


def test_mbus_scanmode() -> None:
    """C-20: the kind of search, its direction, and registers by the ALLOC modes."""
    primary = Plant(MBUS_SCANMODE="PRIMARYSCAN", MBUS_MAXPRIMARYADDRESS=9, MBUS_MAXRETRY=0)
    assert scanned(primary) == [A, B]
    assert not any("53 FD 52" in data for _, data in primary.sent())
    reverse = Plant(MBUS_SCANMODE="SECONDARYSCANREVERSE", MBUS_SEARCHTIMING="LITERAL")
    scanned(reverse)
    assert any("52 F0 FF FF FF" in data for _, data in reverse.sent())
    for mode in ("SECONDARYSCANALLOC", "SECONDARYSCANALLOCREVERSE"):
        plant = Plant(MBUS_SCANMODE=mode)
        scanned(plant)
        meters = meter_list.load(plant.storage.read(LIST))[0]
        assert sorted(meter.register for meter in meters) in ([10, 40], [10, 50])


def test_mbus_searchtiming() -> None:
    """C-74: ADAPTIVE asks an empty mask once, LITERAL 1 + MBUS_MAXRETRY times."""
    plant = Plant(MBUS_SEARCHTIMING="ADAPTIVE", MBUS_RESETMODE=2)
    for meter in plant.network.meters.values():
        meter.power(on=False)
    assert scanned(plant) == []
    asked = [data for _, data in plant.sent()]
    assert len(asked) == len(set(asked))


def test_mbus_searchhexadecimal() -> None:
    """Letters at the digits that the search fixes are asked for although nothing points at them."""
    asked = {}
    for key in (0, 1):
        plant = Plant(MBUS_SEARCHHEXADECIMAL=key)
        assert sorted(scanned(plant)) == sorted([A, B])
        asked[key] = any("52 FA FF FF FF" in data for _, data in plant.sent())
    assert asked == {0: False, 1: True}


def test_mbus_minprimaryaddress() -> None:
    """CFG-07: the first address that a primary scan asks."""
    keys: dict[str, Any] = {
        "MBUS_SCANMODE": "PRIMARYSCAN",
        "MBUS_MAXPRIMARYADDRESS": 9,
        "MBUS_MAXRETRY": 0,
    }
    assert scanned(Plant(MBUS_MINPRIMARYADDRESS=6, **keys)) == [B]


def test_mbus_maxprimaryaddress() -> None:
    """CFG-08: the last address that a primary scan asks."""
    plant = Plant(MBUS_SCANMODE="PRIMARYSCAN", MBUS_MAXPRIMARYADDRESS=8, MBUS_MAXRETRY=0)
    assert scanned(plant) == [A]


def test_mbus_secmaskserial() -> None:
    """CFG-09, C-41: only numbers under the mask are looked for."""
    assert scanned(Plant(MBUS_SECMASKSERIAL="666FFFFF")) == [A]


def test_mbus_secmaskmanufacturer() -> None:
    """C-41: only one manufacturer."""
    assert scanned(Plant(MBUS_SECMASKMANUFACTURER="0442")) == [B]


def test_mbus_secmaskversion() -> None:
    """C-41: only one version."""
    assert scanned(Plant(MBUS_SECMASKVERSION="06")) == [B]


def test_mbus_secmaskmedium() -> None:
    """C-41: only one medium."""
    assert scanned(Plant(MBUS_SECMASKMEDIUM="04")) == [A]


def test_meter_maxdevicecount() -> None:
    """C-71: a scan stops adding when the list holds that many."""
    assert len(scanned(Plant(METER_MAXDEVICECOUNT=1))) == 1


def values_listed(**keys: Any) -> list[int]:
    """How many values each meter has after a scan."""
    plant = Plant(**keys)
    scanned(plant)
    return [len(meter.values) for meter in meter_list.load(plant.storage.read(LIST))[0]]


def test_meter_maxvaluecount() -> None:
    """C-71: the first values of each meter."""
    assert values_listed(METER_MAXVALUECOUNT=1) == [1, 1]


def test_meter_maxallvaluecount() -> None:
    """C-71: values over all meters in list order."""
    assert values_listed(METER_MAXALLVALUECOUNT=3) == [2, 1]


def test_muc_showtimestampentries() -> None:
    """MET-11: times that other values carry are listed too."""
    assert values_listed(MUC_SHOWTIMESTAMPENTRIES=1) == [2, 4]


# --- Meters and their files -----------------------------------------------------------------------


def test_meter_time() -> None:
    """CFG-01: the read-out interval."""
    plant = after(125, Plant(files=METER_A, METER_TIME=40))
    assert [round(at) for at in plant.reads(A)] == [0, 40, 80, 120]


def test_meter_stat_config() -> None:
    """FILE-03: the path of the meter list, for reading and for writing."""
    plant = Plant(METER_STAT_CONFIG="/app/list.xml")
    assert len(scanned(plant)) == 2
    assert plant.storage.exists("app/list.xml")
    assert not plant.storage.exists(LIST)


def test_muc_meterdescription_enableflags() -> None:
    """CFG-17, C-35: what the description column shows."""
    plant = Plant(MUC_METERDESCRIPTION_ENABLEFLAGS=4)

    async def story(plant: Plant) -> None:
        await plant.appliance.scan()
        await plant.seconds(5)
        shown = {placed.row.description for placed in plant.appliance.page_list().rows}
        assert {"0B 06", "02 59", "0D FD 0E"} <= shown

    plant.run(story)


def test_tcpipmem() -> None:
    """C-33: the size of the list that the page can show, in kB."""
    long_list = [Meter(serial=f"{n:08}", user="x" * 50) for n in range(600)]
    plant = Plant(files={LIST: meter_list.save(long_list)})
    plant.storage.replace("app/chip.ini", b"[IP]\nTCPIPMEM=60\n[CONFIG]\nMBUS_ENABLE=0\n")

    async def story(plant: Plant) -> None:
        assert plant.appliance.page_list().capacity.limit == 60 * 1024
        assert plant.appliance.page_list().rows == ()

    plant.run(story)


# --- The Modbus server ----------------------------------------------------------------------------


async def answer_of(stream: Any, request: bytes = ASK) -> bytes:
    """One request and its whole answer."""
    await stream.write(request)
    answer = b""
    while len(answer) < 6 or len(answer) < 6 + answer[5]:
        more = await stream.read(300)
        assert more, "the connection was closed"
        answer += more
    return answer


def served(plant: Plant, story: Story) -> None:
    """Tell a story with a device that has read meter A."""

    async def begin(plant: Plant) -> None:
        await plant.seconds(2)
        await story(plant)

    plant.run(begin)


def test_modbus_enable() -> None:
    """C-16: without it nobody listens."""

    async def story(plant: Plant) -> None:
        stream = await plant.rt.connect(*MODBUS)
        assert (await answer_of(stream))[9:].hex() == "0001"

    served(Plant(MODBUS_ENABLE=1), story)


def test_modbus_address() -> None:
    """C-38: this unit, 0 and 255 are answered; others get exception 0B."""

    async def story(plant: Plant) -> None:
        stream = await plant.rt.connect(*MODBUS)
        codes = []
        for unit in (7, 0, 255, 9):
            request = ASK[:6] + bytes((unit,)) + ASK[7:]
            codes.append((await answer_of(stream, request))[7])
        assert codes == [3, 3, 3, 0x83]

    served(Plant(MODBUS_ADDRESS=7), story)


async def closed_after(plant: Plant, stream: Any) -> float:
    """Seconds until the device closes the connection."""
    begin = plant.rt.now()
    assert await stream.read(1) == b""
    return (plant.rt.now() - begin) / NS_PER_S


def test_modbus_connectiontimeout() -> None:
    """C-36: from the first to the last byte of a request."""

    async def story(plant: Plant) -> None:
        stream = await plant.rt.connect(*MODBUS)
        await stream.write(ASK[:5])
        assert await closed_after(plant, stream) == pytest.approx(10, abs=1)

    served(Plant(MODBUS_CONNECTIONTIMEOUT=10), story)


def test_modbus_disconnecttimeout() -> None:
    """C-36: from one request to the next."""

    async def story(plant: Plant) -> None:
        stream = await plant.rt.connect(*MODBUS)
        assert await closed_after(plant, stream) == pytest.approx(25, abs=1)

    served(Plant(MODBUS_DISCONNECTTIMEOUT=25), story)


def test_modbus_maxconnections() -> None:
    """C-37: one too many is closed at once."""

    async def story(plant: Plant) -> None:
        first, second = await plant.rt.connect(*MODBUS), await plant.rt.connect(*MODBUS)
        assert await closed_after(plant, second) < 1
        await answer_of(first)

    served(Plant(MODBUS_MAXCONNECTIONS=1), story)


def test_modbus_mode() -> None:
    """C-22: UDP in place of TCP."""

    async def story(plant: Plant) -> None:
        socket = plant.rt.network.datagrams.bind(("10.0.0.2", 4000))
        socket.send(MODBUS, ASK)
        with plant.rt.timeout(5 * NS_PER_S):
            data, _ = await socket.receive()
        assert data[9:].hex() == "0001"
        with pytest.raises(OSError, match="refused"):
            await plant.rt.connect(*MODBUS)

    served(Plant(MODBUS_MODE="UDP"), story)


def test_modbus_nwport() -> None:
    """SRV-02: the port of the server."""

    async def story(plant: Plant) -> None:
        answer = await answer_of(await plant.rt.connect(MODBUS[0], 1600))
        assert answer[9:].hex() == "0001"
        with pytest.raises(OSError, match="refused"):
            await plant.rt.connect(*MODBUS)

    served(Plant(modbus_port=None, MODBUS_NWPORT=1600), story)


def test_modbus_swap() -> None:
    """C-08, worked examples 7: long fields least significant register first."""

    async def story(plant: Plant) -> None:
        assert plant.registers(10, 2) == [0x3CAA, 0x03F8]

    served(Plant(files=METER_A, MODBUS_SWAP=1), story)


def test_modbusmeter_protocolversion() -> None:
    """C-09: float-only, multi-slave, swap of 32 bits, dummy image, bit by bit."""

    async def dummy(plant: Plant) -> None:
        assert plant.registers(20, 4) == [0, 0, 0x00BC, 0x614E]

    async def swapped(plant: Plant) -> None:
        assert plant.registers(10, 2) == [0x3CAA, 0x03F8]

    async def slaves(plant: Plant) -> None:
        assert plant.appliance.registers(1, 10, 2).hex() == "03f83caa"
        with pytest.raises(LookupError):
            plant.registers(10, 2)

    async def floats(plant: Plant) -> None:
        plant.appliance.allocate_registers()
        await plant.appliance.save()
        assert plant.registers(20, 4) == [0x4882, 0x5F00, 0xC145, 0x70A4]

    for bits, story in ((1, floats), (2, slaves), (4, swapped), (8, dummy)):
        served(Plant(files=METER_A, MODBUSMETER_PROTOCOLVERSION=bits), story)


def test_modbus_debugout() -> None:
    """Requests and answers go to the event log."""
    plant = Plant(MODBUS_DEBUGOUT=1)

    async def story(plant: Plant) -> None:
        await answer_of(await plant.rt.connect(*MODBUS))

    served(plant, story)
    assert [fields["adu"] for _, fields in plant.logged("modbus.received")] == [ASK.hex()]
    assert len(plant.logged("modbus.sent")) == 1


# --- Watchdogs ------------------------------------------------------------------------------------


def trip_of(job: Story, **keys: Any) -> dict[str, Any]:
    """The first watchdog trip of a device that is given a job."""
    plant = Plant(files=NOBODY, **keys)

    async def story(plant: Plant) -> None:
        with pytest.raises(OSError, match=r"."):
            await job(plant)
        await plant.appliance.ready()

    plant.run(story)
    event: dict[str, Any] = plant.logged("watchdog.trip")[0][1]
    return event


def test_watchdog_scan() -> None:
    """WDG-01: a scan that lasts longer is cut by a restart."""

    async def job(plant: _Plant) -> None:
        await plant.appliance.scan()

    keys: dict[str, Any] = {
        "MBUS_SCANMODE": "PRIMARYSCAN",
        "MBUS_TIMEOUT": 5000,
        "MBUS_RESETMODE": 2,
    }
    trip = trip_of(job, WATCHDOG_SCAN=30, MBUS_MAXRETRY=0, **keys)
    assert (trip["value"], trip["seconds"]) == ("WATCHDOG_SCAN", 30)


def test_watchdog_readout() -> None:
    """WDG-04: a pass that lasts longer is cut by a restart."""

    async def job(plant: _Plant) -> None:
        await plant.appliance.readout()

    trip = trip_of(job, WATCHDOG_READOUT=15, MBUS_TIMEOUT=60000)
    assert (trip["value"], trip["seconds"]) == ("WATCHDOG_READOUT", 15)


def test_watchdog_idle() -> None:
    """WDG-02: a main loop that does not turn is cut by a restart."""

    async def job(plant: _Plant) -> None:
        async def stuck() -> None:
            await plant.seconds(1000)

        await plant.seconds(5)
        await plant.appliance._device.submit("hang", stuck)

    trip = trip_of(job, WATCHDOG_IDLE=20)
    assert (trip["value"], trip["seconds"]) == ("WATCHDOG_IDLE", 20)


def test_watchdog_process() -> None:
    """WDG-03, worked examples 11: with METER_TIME 10 a pass may last WATCHDOG_PROCESS."""

    async def job(plant: _Plant) -> None:
        await plant.appliance.readout()

    trip = trip_of(job, WATCHDOG_PROCESS=50, METER_TIME=10, MBUS_TIMEOUT=60000)
    assert (trip["value"], trip["seconds"]) == ("WATCHDOG_READOUT", 50)


# --- Logs -----------------------------------------------------------------------------------------


def system_log(plant: Plant) -> str:
    """The system log."""
    return plant.storage.read("log/system.log").decode()


def test_mbus_debugout() -> None:
    """Telegrams stand in the system log."""
    assert "link.sent data=1040054516" in system_log(
        after(5, Plant(files=METER_A, MBUS_DEBUGOUT=1))
    )


def test_mbus_rawlogenable() -> None:
    """Telegrams of both directions stand in the raw log on its drive."""
    plant = after(5, Plant(files=METER_A, MBUS_RAWLOGENABLE=1))
    raw = plant.storage.read("raw/mbus.log").decode()
    assert "> 10 40 05 45 16\n" in raw
    assert "< E5\n" in raw


def test_muc_log() -> None:
    """ERRORONLY leaves the start-up out of the system log."""
    plant = after(5, Plant(files=METER_A, MUC_LOG="ERRORONLY", MBUS_ENABLE=0))
    assert "gateway.startup step=5" not in system_log(plant)
    assert "gateway.readout value=failed" in system_log(plant)


def test_valuelog() -> None:
    """Readings stand in the CSV log, with the units of the manual."""
    plant = after(5, Plant(files=METER_A, VALUELOG="CSV"))
    assert ",267000,Wh," in plant.storage.read("log/values.csv").decode()


# --- Sessions -------------------------------------------------------------------------------------


def session_after(seconds: float, plant: Plant, *, heartbeat: bool) -> bool:
    """Whether a session of admin is alive after so long, with a heartbeat each second or none."""
    alive: list[bool] = []

    async def story(plant: Plant) -> None:
        session = await plant.appliance.login("admin", "admin", "10.0.0.1")
        try:
            for _ in range(round(seconds)):
                await plant.seconds(1)
                if heartbeat:
                    plant.appliance.session(session.id)
            plant.appliance.session(session.id)
            alive.append(True)
        except SessionError:
            alive.append(False)

    plant.run(story)
    return alive[0]


def test_webcom_timeout() -> None:
    """C-32: a session that says nothing ends after so many ms."""
    assert not session_after(5, Plant(WEBCOM_TIMEOUT=4500), heartbeat=False)


def test_webcom_maxsession() -> None:
    """C-32: a session that is alive ends after so many seconds."""
    assert not session_after(5, Plant(WEBCOM_MAXSESSION=4), heartbeat=True)


def test_mbus_faultreboot() -> None:
    """C-46: a bus that has failed for so long restarts the device, again and again."""
    plant = after(65, Plant(plugged=False, MBUS_FAULTREBOOT=30))
    assert plant.values("gateway.restart.reason") == ["BUS_FAULT"] * 2
    assert plant.leds() == ("off", "off")
