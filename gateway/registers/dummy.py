"""The dummy image of manual 5.2: one meter with one value, for checking a client (SRV-03, MOD-10).

Register 26 is printed FFFF in the manual; its own text, 12345678 * 10**-4 Wh and 1234.5678, demands
FFFC, which is served (C-04). The entries go through the encoder of every other meter, so
that an integrator checks the layout that he will use (C-57).
"""

from __future__ import annotations

from typing import Final

from gateway.registers.entries import GatewayEntry, MeterEntry, ValueEntry

GATEWAY: Final = GatewayEntry(
    serial=0x2993A,
    software_version=111,
    last_readout=0x519CC16D,
)

METERS: Final = (
    MeterEntry(
        register=10,
        serial=12345678,
        manufacturer=0x0443,
        version=1,
        medium=2,
        time=0x519CC164,
        values=(ValueEntry(register=20, integer=12345678, scale=-4, unit=5, time=0x519CBBB3),),
        slave_address=1,
    ),
)
