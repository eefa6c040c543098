"""The server's half of RFC 2217 (COM port control over Telnet), without a socket.

`ComPort` takes the bytes of a connection and gives characters, settings and breaks; it makes the
bytes that answer them, and those that carry characters with their parity and framing errors to the
client. pyserial has a server of its own, but that one needs a real serial port below it: it reads
modem lines that a pseudo-terminal does not have.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum, unique
from typing import TYPE_CHECKING, Final, NamedTuple

from simulators.characters import Fault, Format

if TYPE_CHECKING:
    from collections.abc import Sequence


@unique
class Telnet(IntEnum):
    """Commands of Telnet that matter here."""

    SE = 240
    SB = 250
    WILL = 251
    WONT = 252
    DO = 253
    DONT = 254
    IAC = 255


BINARY: Final = 0
ECHO: Final = 1
SUPPRESS_GO_AHEAD: Final = 3
COM_PORT: Final = 44
#: Options that this end does, and those that it lets the client do.
_OFFERED: Final = frozenset({BINARY, SUPPRESS_GO_AHEAD, COM_PORT})


@unique
class Command(IntEnum):
    """Requests of COM port control; the answer has the same code plus 100."""

    SIGNATURE = 0
    SET_BAUDRATE = 1
    SET_DATASIZE = 2
    SET_PARITY = 3
    SET_STOPSIZE = 4
    SET_CONTROL = 5
    NOTIFY_LINESTATE = 6
    NOTIFY_MODEMSTATE = 7
    FLOWCONTROL_SUSPEND = 8
    FLOWCONTROL_RESUME = 9
    SET_LINESTATE_MASK = 10
    SET_MODEMSTATE_MASK = 11
    PURGE_DATA = 12


SERVER_OFFSET: Final = 100
_PARITIES: Final = {1: "N", 2: "O", 3: "E"}
_PARITY_CODES: Final = {letter: code for code, letter in _PARITIES.items()}
_STOP_BITS: Final = (1, 2)
_DATA_BITS: Final = 8
#: A real converter's modem lines, which M-Bus does not have: CTS, DSR and carrier are there.
_MODEMSTATE: Final = 0xB0
LINESTATE_PARITY: Final = 0x04
LINESTATE_FRAMING: Final = 0x08

#: Values of SET_CONTROL that only ask, with what is answered: no flow control, no break, DTR and
#: RTS on, no inbound flow control.
_CONTROL_QUERIES: Final = {0: 1, 4: 6, 7: 8, 10: 11, 13: 14}
_BREAK_ON: Final = 5
_FLOW_CONTROL: Final = frozenset({1, 2, 3, 17, 19})
_NO_FLOW_CONTROL: Final = 1

_SIGNATURE: Final = b"meterbench simulated line"
#: Longest subnegotiation that is kept; COM port control has six bytes, a signature has a text.
SUBNEGOTIATION_MAX: Final = 128


#: Makes baud rate, parity and stop bits out of a format and the value of a setting.
Setting = Callable[[Format, int], tuple[int, str, int]]


class Received(NamedTuple):
    """What a chunk of the connection meant: characters, or a new format, or a break."""

    data: bytes = b""
    form: Format | None = None
    is_break: bool = False


class ComPort:
    """One connection; a chunk of it may end anywhere.

    `form` is the format in which the converter talks and listens until the client sets another
    one. What it cannot do (seven data bits, mark parity, a rate that M-Bus does not have) is
    answered with the setting that stays in force, as RFC 2217 wants it.
    """

    def __init__(self, form: Format) -> None:
        self.form = form
        self._state = self._in_data
        self._verb = 0
        self._inside = bytearray()
        self._ours: set[int] = set()
        self._theirs: set[int] = set()
        self._linestate_mask = 0
        self._data = bytearray()
        self._found: list[Received] = []
        self._answer = bytearray()

    def receive(self, chunk: bytes) -> list[Received]:
        """Take bytes of the connection; what they mean, in their order."""
        for byte in chunk:
            self._state(byte)
        self._flush()
        found, self._found = self._found, []
        return found

    def answer(self) -> bytes:
        """The bytes that have to be sent for what was received."""
        answer, self._answer = bytes(self._answer), bytearray()
        return answer

    def carry(self, data: bytes, faults: Sequence[tuple[int, Fault]]) -> bytes:
        """The bytes that carry characters to the client, each error told behind its character.

        Only errors that the client's mask asks for are told; without one a broken character looks
        like any other, as RFC 2217 has it.
        """
        carried, begin = bytearray(), 0
        for index, fault in faults:
            state = LINESTATE_PARITY if fault & Fault.PARITY else 0
            state |= LINESTATE_FRAMING if fault & Fault.FRAMING else 0
            state &= self._linestate_mask
            if state:
                carried += _escaped(data[begin : index + 1])
                carried += _told(Command.NOTIFY_LINESTATE, bytes((state,)))
                begin = index + 1
        return bytes(carried + _escaped(data[begin:]))

    # --- Telnet, one method a state -----------------------------------------------------------

    def _in_data(self, byte: int) -> None:
        if byte == Telnet.IAC:
            self._state = self._in_command
        else:
            self._data.append(byte)

    def _in_command(self, byte: int) -> None:
        self._state = self._in_data
        if byte == Telnet.IAC:
            self._data.append(byte)
        elif byte in {Telnet.WILL, Telnet.WONT, Telnet.DO, Telnet.DONT}:
            self._verb = byte
            self._state = self._in_option
        elif byte == Telnet.SB:
            self._inside.clear()
            self._state = self._in_subnegotiation

    def _in_option(self, byte: int) -> None:
        self._state = self._in_data
        if self._verb in {Telnet.DO, Telnet.DONT}:
            self._agree(byte, self._ours, self._verb == Telnet.DO, Telnet.WILL, Telnet.WONT)
        else:
            self._agree(byte, self._theirs, self._verb == Telnet.WILL, Telnet.DO, Telnet.DONT)

    def _in_subnegotiation(self, byte: int) -> None:
        if byte == Telnet.IAC:
            self._state = self._in_subnegotiation_command
        elif len(self._inside) < SUBNEGOTIATION_MAX:
            self._inside.append(byte)

    def _in_subnegotiation_command(self, byte: int) -> None:
        if byte == Telnet.IAC:
            self._state = self._in_subnegotiation
            self._inside.append(byte)
            return
        self._state = self._in_data
        if byte == Telnet.SE and len(self._inside) >= 2 and self._inside[0] == COM_PORT:
            self._request(self._inside[1], bytes(self._inside[2:]))

    def _agree(self, option: int, agreed: set[int], wanted: bool, yes: int, no: int) -> None:
        """Answer a wish once; what is so already gets no second word, or the two would go on."""
        if wanted and option not in _OFFERED:
            self._say(no, option)
        elif wanted and option not in agreed:
            agreed.add(option)
            self._say(yes, option)
            if option == COM_PORT and agreed is self._theirs:
                self._tell(Command.NOTIFY_MODEMSTATE, bytes((_MODEMSTATE,)))
        elif not wanted and option in agreed:
            agreed.discard(option)
            self._say(no, option)

    # --- COM port control ---------------------------------------------------------------------

    def _request(self, code: int, value: bytes) -> None:
        """Do what the client asks for, and say what is in force then."""
        if code == Command.SIGNATURE:
            if not value:
                self._tell(code, _SIGNATURE)
        elif code in _SETTINGS:
            length, setting = _SETTINGS[code]
            if len(value) == length:
                self._set(*setting(self.form, int.from_bytes(value, "big")))
                self._tell(code, _in_force(code, self.form))
        elif len(value) == 1 and code == Command.SET_CONTROL:
            self._control(value[0])
        elif len(value) == 1 and code == Command.SET_LINESTATE_MASK:
            self._linestate_mask = value[0]
            self._tell(code, value)
        elif len(value) == 1 and code in {Command.SET_MODEMSTATE_MASK, Command.PURGE_DATA}:
            self._tell(code, value)

    def _set(self, baudrate: int, parity: str, stop_bits: int) -> None:
        """Another format from the next character on, if it is one that the line can have."""
        try:
            form = Format(baudrate, parity, stop_bits)
        except ValueError:
            return
        if form != self.form:
            self.form = form
            self._flush()
            self._found.append(Received(form=form))

    def _control(self, value: int) -> None:
        """Flow control, break and modem lines; only the break reaches the bus."""
        answer = _CONTROL_QUERIES.get(value, value)
        if value in _FLOW_CONTROL:
            answer = _NO_FLOW_CONTROL
        elif value == _BREAK_ON:
            self._flush()
            self._found.append(Received(is_break=True))
        self._tell(Command.SET_CONTROL, bytes((answer,)))

    def _flush(self) -> None:
        """Close the characters so far, so that what follows comes behind them."""
        if self._data:
            self._found.append(Received(bytes(self._data)))
            self._data.clear()

    def _say(self, verb: int, option: int) -> None:
        self._answer += bytes((Telnet.IAC, verb, option))

    def _tell(self, code: int, value: bytes) -> None:
        self._answer += _told(code, value)


def _baudrate(form: Format, value: int) -> tuple[int, str, int]:
    return value or form.baudrate, form.parity, form.stop_bits


def _datasize(form: Format, _value: int) -> tuple[int, str, int]:
    return form.baudrate, form.parity, form.stop_bits


def _parity(form: Format, value: int) -> tuple[int, str, int]:
    return form.baudrate, _PARITIES.get(value, form.parity), form.stop_bits


def _stopsize(form: Format, value: int) -> tuple[int, str, int]:
    return form.baudrate, form.parity, value if value in _STOP_BITS else form.stop_bits


#: Setting -> length of its value, and what it makes of a format; the value 0 only asks.
_SETTINGS: Final[dict[int, tuple[int, Setting]]] = {
    Command.SET_BAUDRATE: (4, _baudrate),
    Command.SET_DATASIZE: (1, _datasize),
    Command.SET_PARITY: (1, _parity),
    Command.SET_STOPSIZE: (1, _stopsize),
}


def _in_force(code: int, form: Format) -> bytes:
    """The value of a setting as it stands."""
    if code == Command.SET_BAUDRATE:
        return form.baudrate.to_bytes(4, "big")
    if code == Command.SET_PARITY:
        return bytes((_PARITY_CODES[form.parity],))
    return bytes((_DATA_BITS if code == Command.SET_DATASIZE else form.stop_bits,))


def _escaped(data: bytes) -> bytes:
    """Characters as Telnet carries them: FF doubled."""
    return data.replace(b"\xff", b"\xff\xff")


def _told(code: int, value: bytes) -> bytes:
    inner = bytes((COM_PORT, code + SERVER_OFFSET)) + _escaped(value)
    return bytes((Telnet.IAC, Telnet.SB)) + inner + bytes((Telnet.IAC, Telnet.SE))
