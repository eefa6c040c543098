"""``docs/scenario-reference.md``, generated from the models, tables and docstrings of the language.

``python -m scenarios.language.reference`` prints it; a test compares it with the file.
"""

from __future__ import annotations

import re
import sys
import types
import typing
from typing import TYPE_CHECKING, Any, Final, get_args, get_origin

from pydantic import BaseModel

from scenarios.language import document, properties, verbs, vocabulary
from scenarios.language.applicability import CLAIMS, UNIT_LOADS
from scenarios.language.diagnostics import CODES
from scenarios.language.fields import Moment, Rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

_HEAD: Final = """\
# The scenario language: reference

Generated from the models that check a file: `python -m scenarios.language.reference`. A first file,
step by step, is in [scenario-tutorial.md](scenario-tutorial.md); what verdicts mean is in
[scenarios.md](scenarios.md); what a property means to the nanosecond, in
[decision 11](decisions/0011-scenario-language.md).
"""

#: Sections with models of their own.
_SECTIONS: Final = (
    ("The file", document.Document),
    ("`world`", document.WorldModel),
    ("`world.bus`", document.BusModel),
    ("`world.gateway`", document.GatewayModel),
    ("`world.clients`, each", document.ClientModel),
    ("`read` of a client", document.ReadModel),
    ("`seeds`", document.SeedsModel),
    ("`limits`", document.LimitsModel),
    ("`faults`, each", document.TriggeredModel),
    ("`page_request`", verbs.PageRequest),
    ("`drop_answer`", verbs.DropAnswer),
    ("`assume`, `expect`, `check`, each", document.PropertyModel),
    ("`check`: a whole layout", document.LayoutModel),
    ("`check`: literal registers", document.RegistersModel),
)

#: Forms of the property language with the class whose docstring says what they mean.
_FORMS: Final = (
    ("`a == b`, `!=`, `<`, `<=`, `>`, `>=`", properties.Compare),
    ("`meter(x).answering`", properties.Holds),
    ("`not p`", properties.Not),
    ("`p and q`", properties.And),
    ("`p or q`", properties.Or),
    ("`p -> q`", properties.Implies),
    ("`p iff q`", properties.Iff),
    ("`rise(p)`, `fall(p)`", properties.Edge),
    ("`always[a, b](p)`, `never`, `eventually`, `once`, `historically`", properties.Window),
    ("`p until[a, b] q`", properties.Until),
    ("`any(p)`, `every(p)`", properties.Quantified),
    ("`count(event where …)`", properties.Count),
    ("`involves(x)`, `who has any x`", properties.Involves),
    ("`prev(x)`, `prev_start(x)`", properties.Past),
)


def reference() -> str:
    """Return the page."""
    parts = [_HEAD, *_models(), *_verbs(), *_properties(), *_signals(), *_pics(), *_codes()]
    return "\n".join(parts)


def _sentence(text: str | None) -> str:
    """Return a docstring as one line of Markdown."""
    words = " ".join((text or "").split()).replace("``", "`")
    return re.sub(r"(?<=`)`|`(?=`)", "", words)


def _models() -> Iterator[str]:
    yield "## Sections\n"
    for title, model in _SECTIONS:
        yield f"### {title}\n"
        yield f"{_sentence(model.__doc__)}\n"
        yield from _fields(model)


def _verbs() -> Iterator[str]:
    yield "## Steps\n"
    yield "A step is led by its verb; other keys stand beside it.\n"
    for verb, model in verbs.VERBS.items():
        yield f"### `{verb}`\n"
        yield f"{_sentence(model.__doc__)}\n"
        inner = _model_of(model.model_fields[verb])
        if inner is None:
            yield from _fields(model)
        elif inner.model_fields:
            yield f"{_sentence(inner.__doc__)}\n"
            yield from _fields(inner)


def _properties() -> Iterator[str]:
    yield "## Properties\n"
    yield "| form | meaning |\n|---|---|"
    for form, node in _FORMS:
        yield f"| {form} | {_sentence(node.__doc__)} |"
    yield (
        "| `torn(CLIENT.reads, meter(x).registers.integer)` | True after a read in which a value "
        "of the meter was one that the meter never sent. |"
    )
    yield ""


def _signals() -> Iterator[str]:
    yield "## Signals\n"
    yield "| path | values | needs | what it is |\n|---|---|---|---|"
    for row in vocabulary.SIGNALS:
        values = ", ".join(row.words) if row.words else row.kind.value
        yield f"| `{row.path}` | {values} | {row.needs.value} | {row.meaning} |"
    yield ""


def _pics() -> Iterator[str]:
    yield "## `pics`\n"
    names = ", ".join(f"`{name}`" for name in CLAIMS)
    yield f"Options that a device claims: {names}; and `{UNIT_LOADS} == 80` or `!= 80`.\n"


def _codes() -> Iterator[str]:
    yield "## Complaints\n"
    yield "| code | meaning |\n|---|---|"
    for code, meaning in CODES.items():
        yield f"| {code} | {meaning} |"
    yield ""


# --- Models -----------------------------------------------------------------------------------


def _fields(model: type[BaseModel]) -> Iterator[str]:
    yield "| key | takes | if absent | |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        absent = "required" if field.is_required() else _default(field)
        text = field.description or ""
        yield f"| `{field.alias or name}` | {_kind(field)} | {absent} | {text} |"
    yield ""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value == "" or isinstance(value, list | dict | BaseModel):
        return "nothing"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _kind(field: FieldInfo) -> str:
    """Return what a field takes, in words."""
    names = {str(part) for part in field.metadata}
    if any("_duration" in name for name in names) or _holds_duration(field.annotation):
        return "duration"
    return _words(field.annotation)


def _holds_duration(annotation: Any) -> bool:
    return any("_duration" in str(part) for part in getattr(annotation, "__metadata__", ()))


_NAMES: Final = {int: "whole number", float: "number", str: "text", bool: "true or false"}


def _words(annotation: Any) -> str:
    if annotation == Moment:
        return "moment"
    if annotation == Rate:
        return "rate"
    if "_duration" in str(annotation):
        return "duration"
    if "_rate" in str(annotation):
        return "rate"
    if "_moment" in str(annotation):
        return "moment"
    origin = get_origin(annotation)
    if origin is typing.Annotated:
        return _words(get_args(annotation)[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in get_args(annotation))
    if origin in (typing.Union, types.UnionType):
        kinds = [_words(part) for part in get_args(annotation) if part is not type(None)]
        return " or ".join(dict.fromkeys(kinds))
    if origin is list:
        return "list"
    if origin is dict or annotation is dict:
        return "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "mapping"
    return _NAMES.get(annotation, "anything")


def _model_of(field: FieldInfo) -> type[BaseModel] | None:
    kind = field.annotation
    return kind if isinstance(kind, type) and issubclass(kind, BaseModel) else None


if __name__ == "__main__":
    sys.stdout.write(reference())
