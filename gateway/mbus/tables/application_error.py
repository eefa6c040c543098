"""What a slave complains of in an answer with CI 70 (MBDOC48 p.53)."""

from __future__ import annotations

from typing import Final

# fmt: off
APPLICATION_ERRORS: Final = {
    0: "unspecified error",
    1: "CI field not implemented",
    2: "buffer too long, truncated",
    3: "too many records",
    4: "premature end of record",
    5: "more than 10 DIFEs",
    6: "more than 10 VIFEs",
    7: "reserved",
    8: "application too busy",
    9: "too many read-outs",
}
# fmt: on


def application_error_label(code: int) -> str:
    """Name an application error; codes from 10 on are reserved."""
    return APPLICATION_ERRORS.get(code, "reserved")
