"""docs/keys.md, made of the typed model and of the names of the proofs.

Write it anew with ``python -m tests.gateway.keys.page``.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.device import configuration
from gateway.device.elements import METER_ELEMENTS, VALUE_ELEMENTS, ElementError
from gateway.device.keys import KEYS, Tab
from tests.gateway.keys.mutation import CHIP_INI_PROOFS, DEVICE_HANDLE_PROOFS

if TYPE_CHECKING:
    from gateway.device.elements import Element
    from gateway.device.keys import Key

ROOT: Final = Path(__file__).parents[3]
PAGE: Final = ROOT / "docs" / "keys.md"
#: Texts of which every element refuses at least one, and then says what it takes.
_REFUSED: Final = ("\0", "x" * 1000)

_HEAD: Final = """\
# Keys and elements

Every key of chip.ini and every element of Device_Handle.cfg: what it takes, what holds where it is
missing, what it does, and the test that proves it. This page is made of the typed model
(`gateway/device/keys.py`, `gateway/device/elements.py`); a test compares.

```
tox -e keys
```

puts the default of each key and element in its place in turn, in the model itself; the test that
stands beside it must then fail. `tox -e keys -- TIMEOUT` asks those with TIMEOUT in their name.

**Counts from.** A key of a page counts from *Save*, which initialises again what it concerns; a key
that only the file has counts from the *restart* (C-51). **Factory** is what the chip.ini of a new
device says; where the column is empty the key is missing there and the default holds (C-16).

Keys that are missing take their default. A value out of range gives the default and a warning with
its line, and the file is not rewritten; unknown keys stay (C-23). A file that cannot be used at all
(not UTF-8, a key twice, longer than 64 KiB) leaves the settings of its `.bak` in force.
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD]
    factory = _factory()
    for section in dict.fromkeys(key.section for key in KEYS):
        parts.append(f"\n## chip.ini [{section}]\n")
        parts.append("| key | takes | default | factory | effect | counts from | manual | proof |")
        parts.append("|---|---|---|---|---|---|---|---|")
        parts += [_key_row(key, factory) for key in KEYS if key.section == section]
    for title, parent, elements in (
        ("a meter", "meter", METER_ELEMENTS),
        ("a value", "value", VALUE_ELEMENTS),
    ):
        parts.append(f"\n## Device_Handle.cfg: {title}\n")
        parts.append("| element | takes | default | effect | proof |")
        parts.append("|---|---|---|---|---|")
        parts += [_element_row(parent, element) for element in elements.values()]
    parts.append(_TAIL)
    return "\n".join(parts)


_TAIL: Final = f"""
Elements with their default are not written, but for `version` of the root and `interface`
(FILE-03). Numbers are read in hexadecimal with 0x and in decimal without (C-15). Elements that are
not known stay where they are.

Proofs: `{CHIP_INI_PROOFS.relative_to(ROOT)}` and `{DEVICE_HANDLE_PROOFS.relative_to(ROOT)}`.
"""


def _factory() -> dict[str, str]:
    """What the factory file of the 80 UL model sets, by attribute."""
    text = configuration.FACTORY_CHIP_INI
    set_here = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return {key.attribute: set_here[key.name] for key in KEYS if key.name in set_here}


def _key_row(key: Key, factory: dict[str, str]) -> str:
    takes = _cell(key.kind.expected)
    default = "a password" if key.secret else key.kind.format(key.default) or "not set"
    when = "Save" if key.tab is not Tab.FILE_ONLY else "restart"
    if key.idle:
        effect, proof = f"none, by decision (C-45): {key.effect}", ""
    elif key.awaits:
        effect, proof = f"none yet, waits for {key.awaits}: {key.effect}", ""
    else:
        effect, proof = key.effect, f"`test_{key.attribute}`"
    name = f"{key.name} (our own)" if key.own else key.name
    cells = (name, takes, default, factory.get(key.attribute, ""), _cell(effect), when, key.manual)
    return "| " + " | ".join((*cells, proof)) + " |"


def _element_row(parent: str, element: Element) -> str:
    default = element.format(element.default) if element.default not in (None, b"") else "not set"
    if element.effect:
        effect, proof = element.effect, f"`test_{parent}_{element.name}`"
    elif not element.is_written:
        effect, proof = f"read as `{element.stored_as}` (C-25)", ""
    else:
        effect, proof = "none, by decision (C-45): read and kept", ""
    cells = (f"`{element.name}`", _cell(_expected(element)), default or "empty", effect, proof)
    return "| " + " | ".join(cells) + " |"


def _expected(element: Element) -> str:
    for text in _REFUSED:
        try:
            element.parse(text)
        except ElementError as error:
            return str(error)
    raise AssertionError(f"{element.name} takes anything")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
