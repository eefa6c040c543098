"""A host of gateways that do nothing but save, so that a test can kill them.

Imports take longer than a life, so this process imports once and forks: for every line on standard
input one gateway on the data directory in argv. A gateway numbers its saves on from what is there:
METER_TIME in chip.ini and the label of its meter carry the number. On standard output it says
``pid N``, ``ready``, ``found M N`` for the numbers in chip.ini and in the list, ``saved N`` when
save N has returned, and every complaint about a file.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from gateway.device.appliance import Appliance
from gateway.device.wiring import Wiring
from gateway.io.data_directory import DataDirectory
from gateway.io.runtime import AioRuntime
from gateway.io.storage import FileStorage

if TYPE_CHECKING:
    from gateway.runtime.port import Runtime

#: Numbers are offset into the range of METER_TIME.
FIRST_METER_TIME = 10


def say(text: str) -> None:
    """One line, in one write."""
    os.write(1, f"{text}\n".encode())


def log(_: int, kind: str, fields: dict[str, Any]) -> None:
    """Complaints are what must not be."""
    if kind == "config.complaint":
        say(f"complaint {fields['file']}: {fields['text']}")


async def save_on_and_on(rt: Runtime) -> None:
    """Change both files and save, until somebody ends it."""
    door = Appliance(rt, Wiring("/dev/no-such-port", "127.0.0.1", 0))
    async with rt.nursery() as nursery:
        nursery.spawn(door.run(), name="appliance")
        await door.ready()
        say("ready")
        if not door.meters():
            door.add_meters("12345678", label="n0")
            await door.save()
        number = door.configuration().meter_time - FIRST_METER_TIME
        say(f"found {number} {door.meters()[0].entry.user.removeprefix('n')}")
        while True:
            number += 1
            door.set_key("METER_TIME", str(FIRST_METER_TIME + number))
            door.set_meter(door.meters()[0].handle, "user", f"n{number}")
            await door.save()
            say(f"saved {number}")


def live(data: str) -> None:
    """One gateway from its start to its violent end."""
    with DataDirectory(data):
        runtime = AioRuntime(storage=FileStorage(data), log=log)
        asyncio.run(runtime.run(save_on_and_on))


def main() -> None:
    """Fork a gateway for every line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    # What is shared with the children is not copied by a collection in one of them.
    gc.freeze()
    for _ in sys.stdin:
        child = os.fork()
        if child == 0:
            say(f"pid {os.getpid()}")
            live(sys.argv[1])
            os._exit(1)


if __name__ == "__main__":
    main()
