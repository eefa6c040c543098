"""Data records of every coding at their edges, byte by byte, and the registers that they must give.

Each line of a table is a record as it stands on the wire, written by hand from MBDOC48 (chapters
6.3 and 8.4, appendix), and the integer and the power of ten that a correct gateway serves. Every
meter is judged three times, because a decoder may remember what the first answer looked like.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from scenarios.compliance.arrangement import Arrangement
from scenarios.compliance.registry import SuiteCase, add
from scenarios.compliance.verdicts import register_evidence
from simulators.modbus.pdu import Registers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scenarios.compliance.arrangement import Trial
    from scenarios.compliance.verdicts import Verdicts

CONFIG: Final[dict[str, str | int]] = {
    "MBUS_SCANMODE": "PRIMARYSCAN",
    "MBUS_MINPRIMARYADDRESS": 5,
    "MBUS_MAXPRIMARYADDRESS": 5,
    "MBUS_TIMEOUT": 500,
    "MBUS_MAXRETRY": 0,
    "METER_MAXVALUECOUNT": 0,
}
#: Register of the first value: the meter's own entry stands before it.
FIRST_VALUE: Final = 20
READINGS: Final = 3

# --- The tables -----------------------------------------------------------------------------------
#
# A line: DIB, VIB and data | integer | power of ten | what it is.

#: Two's complement of every width, least significant character first (type B).
INTEGERS: Final = """
01 03 80                      | -128                  | 0  | the lowest of 8 bits
01 03 FF                      | -1                    | 0  | -1 in 8 bits
01 03 7F                      | 127                   | 0  | the largest of 8 bits
02 03 00 80                   | -32768                | 0  | the lowest of 16 bits
02 03 FE FF                   | -2                    | 0  | -2 in 16 bits
03 03 00 00 80                | -8388608              | 0  | the lowest of 24 bits
03 03 FD FF FF                | -3                    | 0  | -3 in 24 bits
03 03 FF FF 7F                | 8388607               | 0  | the largest of 24 bits
04 03 00 00 00 80             | -2147483648           | 0  | the lowest of 32 bits
04 03 FC FF FF FF             | -4                    | 0  | -4 in 32 bits
06 03 00 00 00 00 00 80       | -140737488355328      | 0  | the lowest of 48 bits
06 03 FB FF FF FF FF FF       | -5                    | 0  | -5 in 48 bits
06 03 FF FF FF FF FF 7F       | 140737488355327       | 0  | the largest of 48 bits
07 03 00 00 00 00 00 00 00 80 | -9223372036854775808  | 0  | the lowest of 64 bits
07 03 FA FF FF FF FF FF FF FF | -6                    | 0  | -6 in 64 bits
07 03 00 00 00 00 00 00 00 60 | 6917529027641081856   | 0  | beyond 2 to the power of 62
"""
#: BCD of every width, and numbers of variable length (types A and LVAR).
DECIMALS: Final = """
09 03 99                      | 99                    | 0  | BCD of 2 digits
0A 03 34 12                   | 1234                  | 0  | BCD of 4 digits
0B 03 56 34 12                | 123456                | 0  | BCD of 6 digits
0C 03 78 56 34 12             | 12345678              | 0  | BCD of 8 digits
0E 03 12 90 78 56 34 12       | 123456789012          | 0  | BCD of 12 digits
09 03 F1                      | -1                    | 0  | BCD of 2 digits with a minus sign
0A 03 34 F2                   | -234                  | 0  | BCD of 4 digits with a minus sign
0B 03 56 34 F1                | -13456                | 0  | BCD of 6 digits with a minus sign
0C 03 78 56 34 F2             | -2345678              | 0  | BCD of 8 digits with a minus sign
0E 03 12 90 78 56 34 F2       | -23456789012          | 0  | BCD of 12 digits with a minus sign
0D 03 C4 78 56 34 12          | 12345678              | 0  | BCD of variable length
0D 03 D2 34 12                | -1234                 | 0  | negative BCD of variable length
0D 03 E2 FE FF                | -2                    | 0  | a binary number of variable length
0D 03 E3 56 34 12             | 1193046               | 0  | a binary number of 3 characters
0D 03 E0                      | 0                     | 0  | a number without data
0D FD 0C 00                   | 0                     | 0  | an empty text
0D FD 0C 03 43 42 41          | 0                     | 0  | a text
"""
#: Reals: the shortest decimal that reads back as the same float32 (type H, C-59).
REALS: Final = """
05 2B CD CC CC 3D             | 1                     | -1  | 0.1 W
05 29 CD CC CC 3D             | 1                     | -3  | 0.1 in hundredths of a W
05 2E CD CC CC BD             | -1                    | 2   | -0.1 kW
05 2B 00 00 66 43             | 23                    | 1   | 230 W
05 2B 79 E9 F6 42             | 123456                | -3  | 123.456 W
05 2B 00 00 00 00             | 0                     | 0   | nothing at all
"""
#: VIFEs that scale, add, combine, name a conductor or belong to the maker.
EXTENSIONS: Final = """
04 83 7D 05 00 00 00          | 5                     | 3   | times a thousand
04 83 70 05 00 00 00          | 5                     | -6  | times 10 to the power of -6
04 83 73 05 00 00 00          | 5                     | -3  | times 10 to the power of -3
04 83 76 05 00 00 00          | 5                     | 0   | times 1
04 83 77 05 00 00 00          | 5                     | 1   | times 10
04 93 7B 0A 00 00 00          | 11                    | -3  | plus one, in litres
04 86 7B 0A 00 00 00          | 11                    | 3   | plus one, in MWh
04 83 FF 73 05 00 00 00       | 5                     | 0   | behind the maker's mark nothing counts
04 83 FC 01 07 00 00 00       | 7                     | 0   | of conductor L1
04 83 FC 02 08 00 00 00       | 8                     | 0   | of conductor L2
04 83 3B 09 00 00 00          | 9                     | 0   | forward flow only
04 83 3C 0A 00 00 00          | 10                    | 0   | backward flow only
2F 2F 04 03 0B 00 00 00       | 11                    | 0   | behind fillers
04 83 7E 0C 00 00 00          | 12                    | 0   | a future value
04 FD 50 0D 00 00 00          | 13                    | -12 | in pA
04 87 FD 7D 0E 00 00 00       | 14                    | 10  | times a million
"""


class Row(NamedTuple):
    """One record and what it must give."""

    record: str
    integer: int
    scale: int
    what: str


def rows(table: str) -> list[Row]:
    """The lines of a table."""
    found = []
    for line in table.strip().splitlines():
        record, integer, scale, what = (part.strip() for part in line.split("|"))
        found.append(Row(record, int(integer), int(scale), what))
    return found


def literal(record: str) -> dict[str, Any]:
    """A record for the simulated meter, sent as it stands; what is expected, the table says."""
    return {
        "dib": record.replace(" ", ""),
        "data": "",
        "expect": {"value_type": "None", "kind": "no data"},
    }


def meter(records: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """A meter with these records at address 5."""
    return {
        "id": "own",
        "manufacturer": "LUG",
        "version": 1,
        "medium": 4,
        "identification_number": 40000001,
        "primary_address": 5,
        "records": list(records),
        **more,
    }


async def entry(trial: Trial, address: int) -> tuple[int, ...] | None:
    """The ten registers of an entry in one read; None where they are refused."""
    answer = await trial.read(address, 10)
    return tuple(answer.words) if isinstance(answer, Registers) else None


def integer_of(words: Sequence[int]) -> int:
    """The signed 64-bit integer of a value entry."""
    number = words[0] << 48 | words[1] << 32 | words[2] << 16 | words[3]
    return number - (1 << 64 if number >> 63 else 0)


def scale_of(words: Sequence[int]) -> int:
    """The signed power of ten of a value entry."""
    return words[6] - (0x10000 if words[6] & 0x8000 else 0)


def time_of(words: Sequence[int]) -> int:
    """The time of a value entry."""
    return words[8] << 16 | words[9]


async def found(trial: Trial) -> None:
    """Find the meter and give it registers."""
    await trial.appliance.scan()
    await trial.appliance.allocate()


async def _judge(
    trial: Trial, verdicts: Verdicts, table: Sequence[Row], integers: str, reading: int
) -> None:
    for place, row in enumerate(table):
        address = FIRST_VALUE + 10 * place
        words = await entry(trial, address)
        what = f"reading {reading}, {row.what} ({row.record})"
        if words is None:
            verdicts.check(integers, False, f"{what}: expected an entry at register {address}")
            continue
        evidence = register_evidence(address, words, row.what)
        for id_ in dict.fromkeys((integers, "REG-V.1")):
            verdicts.equal(id_, what, row.integer, integer_of(words), evidence)
        for id_ in dict.fromkeys((integers, "REG-V.3")):
            verdicts.equal(id_, f"{what}: power of ten", row.scale, scale_of(words), evidence)
    flags = await entry(trial, 10)
    verdicts.equal("REG-M.8", f"reading {reading}: flags", 0, flags[8] if flags else None)


def _case(name: str, title: str, table: str, integers: str) -> None:
    lines = rows(table)

    async def procedure(trial: Trial, verdicts: Verdicts) -> None:
        await found(trial)
        for reading in range(1, READINGS + 1):
            if reading == 1:
                # The pass that follows a scan by itself.
                await trial.wait_s(20)
            else:
                await trial.appliance.readout()
            await _judge(trial, verdicts, lines, integers, reading)

    ids = tuple(dict.fromkeys((integers, "REG-V.1", "REG-V.3", "REG-M.8")))
    arrangement = Arrangement((meter([literal(row.record) for row in lines]),), CONFIG)
    add(SuiteCase(f"records/{name}", title, ids, arrangement, procedure))


_case("integers", "Binary integers of every width and sign", INTEGERS, "REG-V.1")
_case("decimals", "BCD of every width and sign, and numbers of variable length", DECIMALS, "MOD-09")
_case("reals", "Reals with the power of ten of their VIF", REALS, "MOD-09")
_case("extensions", "What VIFEs and fillers do to a number", EXTENSIONS, "REG-CUST.1")


# --- The order of values --------------------------------------------------------------------------

#: Storage numbers and functions in no order of theirs, with fillers between.
SHUFFLED: Final = (
    "44 03 01 00 00 00", "04 13 02 00 00 00", "2F 84 01 03 03 00 00 00", "14 03 04 00 00 00",
    "2F 2F 04 03 05 00 00 00", "44 13 06 00 00 00", "04 2B 07 00 00 00",
)  # fmt: skip


async def _shuffled(trial: Trial, verdicts: Verdicts) -> None:
    await found(trial)
    await trial.appliance.readout()
    for place, record in enumerate(SHUFFLED, start=1):
        words = await entry(trial, FIRST_VALUE - 10 + 10 * place)
        seen = integer_of(words) if words else None
        verdicts.equal("MET-09", f"value {place} ({record})", place, seen)


add(
    SuiteCase(
        "records/order",
        "Values stand in the order of the telegram, whatever their storage number",
        ("MET-09",),
        Arrangement((meter([literal(record) for record in SHUFFLED]),), CONFIG),
        _shuffled,
    )
)


# --- Floats ---------------------------------------------------------------------------------------

#: Record | float32 nearest to integer times power of ten, half to even (worked examples 2, C-59).
FLOATS: Final = """
04 03 01 00 00 01             | 4B800000 | 16777217, halfway, to the even one below
04 03 03 00 00 01             | 4B800002 | 16777219, halfway, to the even one above
04 03 FF FF FF FE             | CB800000 | -16777217
07 03 01 00 00 00 00 00 20 00 | 5A000000 | 2 to the power of 53 and one
07 07 FF FF FF FF FF FF FF 7F | 659C4000 | the largest integer times 10000
04 07 FB FF FF FF             | C7435000 | -5 times 10000
04 04 15 CD 5B 07             | 4E932C06 | 123456789 times 10
04 00 03 00 00 02             | 4703126F | 33554435 thousandths
04 01 4F 97 21 C5             | CB16B43F | -987654321 hundredths
04 02 01 00 00 01             | 49CCCCCE | 16777217 tenths
06 06 FF 0F A5 D4 E8 00       | 58635FA9 | 999999999999 times 1000
05 2F FF FF 7F 7F             | 7F800000 | the largest real times 10000: no float holds it
05 2F FF FF 7F FF             | FF800000 | the lowest real times 10000
05 2C C2 BD F0 7D             | 7F800000 | 4 x 10^37 times 10: a little more than a float holds
05 2C C2 BD F0 FD             | FF800000 | the same below 0
05 2B 00 00 80 00             | 00800000 | the smallest normal real
05 28 C2 16 01 00             | 00000047 | 10 to the power of -43
05 2B C2 16 01 00             | 000116C2 | 10 to the power of -40
04 03 00 00 00 00             | 00000000 | 0
07 FD D0 70 EA CA 0B 87 CA 7B 1C 00 | 3C035B73 | just below halfway, which a double cannot tell
07 FD D0 70 5E 35 1A 27 A6 DA 1B 00 | 3C007451 | just above halfway, which a double cannot tell
04 FD D0 F0 71 05 00 00 00 | 1A71C901 | 5 x 10^-23
04 87 FD FD FD FD FD FD 77 05 00 00 00 | 66D3C21C | 5 x 10^23
07 07 3D 0A D7 A3 70 BD 60 4C | 653A782E | a large number just below halfway
07 07 B1 E1 E9 95 B2 8C D9 68 | 657FFB21 | a large number just above halfway
"""


def _floats() -> Iterator[tuple[str, int, str]]:
    for line in FLOATS.strip().splitlines():
        record, bits, what = (part.strip() for part in line.split("|"))
        yield record, int(bits, 16), what


async def _float_values(trial: Trial, verdicts: Verdicts) -> None:
    await found(trial)
    await trial.appliance.readout()
    for place, (record, bits, what) in enumerate(_floats()):
        words = await entry(trial, FIRST_VALUE + 10 * place)
        seen = f"{words[4]:04X} {words[5]:04X}" if words else "nothing"
        wanted = f"{bits >> 16:04X} {bits & 0xFFFF:04X}"
        verdicts.equal("REG-V.2", f"float of {what} ({record})", wanted, seen)


add(
    SuiteCase(
        "records/floats",
        "The float is the nearest one, also between two, beyond all and below the normal ones",
        ("REG-V.2",),
        Arrangement((meter([literal(record) for record, _, _ in _floats()]),), CONFIG),
        _float_values,
    )
)
