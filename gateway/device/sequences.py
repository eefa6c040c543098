"""Which telegrams precede a read-out, by reset mode, request mode and addressing (`CFG-14/15`).

The order is the one that `C-18` and `C-19` settle: resets go before the selection in every mode,
because a reset between SELECT and REQ_UD2 loses meters that deselect on any SND_NKE. The tables
hold names of steps; `gateway.device.readout` knows how to send each.
"""

from __future__ import annotations

from enum import Enum, unique
from typing import Final


@unique
class Addressing(Enum):
    """How a meter is called: by its primary address, or selected by its secondary address."""

    PRIMARY = "primary"
    SECONDARY = "secondary"


@unique
class ResetMode(Enum):
    """MBUS_RESETMODE with the names of the web page (`C-18`)."""

    NONE = 2
    STANDARD = 0
    EXTENDED_1 = 1
    EXTENDED_2 = 3


@unique
class RequestMode(Enum):
    """MBUS_REQUESTMODE (`C-19`)."""

    DEFAULT = "DEFAULT"
    EXT = "EXT"
    EXT2 = "EXT2"
    ONLY = "ONLY"
    FREEZE = "FREEZE"


@unique
class Step(Enum):
    """One telegram of the master; the request for data itself is not a step but what follows."""

    NKE_A = "SND_NKE to the meter's primary address"
    NKE_FD = "SND_NKE to 253"
    NKE_FF = "SND_NKE to the broadcast address"
    APPRESET_FD = "application reset to 253"
    SELECT = "selection by secondary address"
    GET_ALL = "Get-All-Data, DIF/VIF 7F 7E"
    GET_GLOBAL = "Get-All-Data, DIF 7F"
    FREEZE = "freeze the data into a storage number"


_P: Final = Addressing.PRIMARY
_S: Final = Addressing.SECONDARY

# fmt: off
RESET_STEPS: Final[dict[tuple[ResetMode, Addressing], tuple[Step, ...]]] = {
    (ResetMode.NONE,       _P): (),
    (ResetMode.NONE,       _S): (Step.SELECT,),
    (ResetMode.STANDARD,   _P): (Step.NKE_A,),
    (ResetMode.STANDARD,   _S): (Step.NKE_FF, Step.SELECT),
    (ResetMode.EXTENDED_1, _P): (Step.NKE_FD, Step.NKE_A),
    (ResetMode.EXTENDED_1, _S): (Step.NKE_FD, Step.NKE_FF, Step.SELECT),
    (ResetMode.EXTENDED_2, _P): (Step.NKE_FD, Step.APPRESET_FD, Step.NKE_A),
    # Without the first SELECT nobody would hear the application reset.
    (ResetMode.EXTENDED_2, _S): (Step.NKE_FD, Step.SELECT, Step.APPRESET_FD, Step.NKE_FF,
                                 Step.SELECT),
}
REQUEST_STEPS: Final[dict[RequestMode, tuple[Step, ...]]] = {
    RequestMode.DEFAULT: (),
    RequestMode.EXT:     (Step.GET_ALL,),
    RequestMode.EXT2:    (Step.GET_GLOBAL,),
    RequestMode.ONLY:    (),
    RequestMode.FREEZE:  (Step.FREEZE,),
}
#: Sent once before the first probe of a scan: the reset part without the selection.
SCAN_STEPS: Final[dict[ResetMode, tuple[Step, ...]]] = {
    ResetMode.NONE:       (),
    ResetMode.STANDARD:   (Step.NKE_FF,),
    ResetMode.EXTENDED_1: (Step.NKE_FD, Step.NKE_FF),
    ResetMode.EXTENDED_2: (Step.NKE_FD, Step.APPRESET_FD, Step.NKE_FF),
}
# fmt: on


def readout_steps(
    reset: ResetMode, request: RequestMode, addressing: Addressing, *, freeze_first: bool = False
) -> tuple[Step, ...]:
    """The telegrams before the first REQ_UD2 of a read-out, in order.

    `freeze_first` is MUC_USE_FREEZE: a freeze before the request part of the modes that have
    none of their own. ONLY drops the whole reset part but the selection.
    """
    if request is RequestMode.ONLY:
        return (Step.SELECT,) if addressing is Addressing.SECONDARY else ()
    freezes = freeze_first and request is not RequestMode.FREEZE
    freeze = (Step.FREEZE,) if freezes else ()
    return RESET_STEPS[reset, addressing] + freeze + REQUEST_STEPS[request]
