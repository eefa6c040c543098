"""The registers of the worked example: the population's two meters in the standard layout.

Heat meter A and electricity meter B, served by an 80 UL gateway at addresses 0-79.
"""

from __future__ import annotations

from typing import Final

_TEXT: Final = """
0001 2883 0001 0082 6B00 3647 0000 0100 0000 0000
03F8 3CAA 32A7 0204 6B00 3643 0000 0200 0000 0000
0000 0000 0000 010B 4882 5F00 0003 0005 6B00 35C8
FFFF FFFF FFFF FB2E C145 70A4 FFFE 0013 6B00 35C8
0000 0000 00BC 614E 47F1 2064 FFFE 0007 6B00 35C8
0006 8A7E 0442 0602 6B00 3646 0000 0200 0000 0000
0000 0000 0000 0000 0000 0000 0000 0000 0000 0000
0000 0000 6AE5 2F80 4ED5 CA5F 0000 0019 0000 0000
"""

#: Manual 5.2, the dummy image; register 26 as served (C-04).
_DUMMY_TEXT: Final = """
0002 993A 0001 006F 519C C16D 0000 0100 0000 0000
00BC 614E 0443 0102 519C C164 0000 0200 0000 0000
0000 0000 00BC 614E 449A 522B FFFC 0005 519C BBB3
"""


def _words(text: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in text.split())


REGISTERS: Final = _words(_TEXT)
DUMMY: Final = _words(_DUMMY_TEXT)
