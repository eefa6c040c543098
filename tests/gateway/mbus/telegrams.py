"""Telegrams made up here that hold every form of record, for tests that change their bytes."""

from __future__ import annotations

from typing import Final

from gateway.mbus.telegram import Telegram, decode
from tests.gateway.mbus.building import answer

#: Records as hex. Each line is one telegram.
BODIES: Final = {
    "integers of all sizes": (
        "0113 05 0213 3412 0313 563412 0413 ffffffff 0613 010203040506 0713 0102030405060708"
    ),
    "BCD of all sizes": "0913 05 0a13 3412 0b13 563412 0c13 78563412 0e13 907856341200",
    "scales": "0410 01000000 0416 02000000 0c78 01000000 0c06 99999999 02fd46 3930 04fd0e 07000000",
    "reals": "0513 cdcccc3d 055b 00002041 0505 0000807f 052b 01000000 05fd48 db0f49c0",
    "times": "046d 3a0b543b 426c 5f3a 066d 000c14543b00 036d 3b3a17 04ad6f 32147a18 046c ffffffff",
    "several time points": (
        "046d 000c543b 142d 05000000 146d 0012543b 8410 2d 01000000 042d 02000000"
    ),
    "LVAR": "0dfd0e 08 3130312d35323344 0d78 c4 21436587 0d13 d2 3412 0d13 e2 0102 0d78 f0"
    + "00" * 16,
    "signs and letters": "0c13 563412f0 0a5a 12f0 0c13 ddbbbbdd 0b3b 56341a",
    "VIFEs": "04ad7b 05000000 84933b01 13 0493 7d 01000000 0c93 3c 01000000 04 95 15 01000000",
    "plain text": "02fc 03485225 74 2215 027c 02 4d56 0400 0413 07000000",
    "no data and selections": "0013 0813 2f2f 0413 01000000 2f",
    "manufacturer data": "0413 01000000 0f 0102030405",
    "more records follow": "8c1104 96470600 1f",
    "nothing": "",
}


def frames() -> dict[str, bytes]:
    """The telegrams, in both byte orders where the bytes allow it."""
    found = {}
    for number, (name, body) in enumerate(BODIES.items()):
        # A model of its own each, as telegrams of one model and length share their plans.
        header = bytes.fromhex("06016066A732") + bytes((number, 4)) + bytes.fromhex("2A000000")
        found[name] = answer(body, header=header)
        found[f"{name}, most significant first"] = answer(body, ci_field=0x76, header=header)
    return found


def with_frame(counted: bytes) -> bytes:
    """Put head, checksum and stop byte around the counted bytes."""
    counted = counted[:255]
    size = len(counted)
    return bytes((0x68, size, size, 0x68)) + counted + bytes((sum(counted) % 256, 0x16))


def said(telegram: Telegram) -> tuple[object, ...]:
    """Everything that a telegram says, comparable."""
    index = {id(record): at for at, record in enumerate(telegram.records)}
    return (
        telegram.frame,
        telegram.header,
        telegram.more_records_follow,
        telegram.application_error,
        str(telegram.error),
        [
            (
                record.coding,
                record.data,
                record.offset,
                record.integer,
                record.scale,
                record.unit,
                record.value_type,
                record.value,
                str(record.error),
                record.instant,
                record.timestamp,
                None if record.time_record is None else index[id(record.time_record)],
            )
            for record in telegram.records
        ],
    )


def decode_often(frame: bytes, times: int = 3) -> Telegram:
    """Decode so often that a plan reads the telegram, if there can be one."""
    for _ in range(times - 1):
        decode(frame)
    return decode(frame)
