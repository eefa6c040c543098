"""What a model complains about, said in the words of this language, at the place in the file.

A step is led by its verb; the verb chooses the model first, so that one mistyped verb is one
complaint and not one for every verb that there is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from reports.record import REQUIREMENT_ID_PATTERN
from scenarios.language.diagnostics import did_you_mean
from scenarios.language.fields import ID_PATTERN, NAME_PATTERN, PATH_PATTERN
from scenarios.language.source import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_core import ErrorDetails

    from scenarios.language.diagnostics import Diagnostic
    from scenarios.language.source import Location, Source

Model = TypeVar("Model", bound=BaseModel)


def validate(
    model: type[Model],
    source: Source,
    location: Location,
    found: list[Diagnostic],
    *,
    only: frozenset[str] | None = None,
) -> Model | None:
    """Check the part of the file at `location`; None where it has mistakes, which go to `found`.

    With `only` the other keys of the part belong to somebody else.
    """
    part = _tidy(source.at(location))
    if only is not None:
        part = {key: value for key, value in part.items() if key in only}
    try:
        return model.model_validate(part)
    except ValidationError as error:
        details = _not_misspelt(model, list(_each(error)))
        found += [_complaint(model, source, location, detail) for detail in details]
        return None


def _tidy(part: Any) -> Any:
    """Return plain data; an empty value ("scan:") counts as an empty mapping."""
    tidy = plain(part)
    if isinstance(tidy, dict):
        return {key: {} if value is None else value for key, value in tidy.items()}
    return tidy


def _each(error: ValidationError) -> Iterator[ErrorDetails]:
    """Yield the errors; of those about the branches of one union only the first."""
    seen = set[tuple[int | str, ...]]()
    for detail in error.errors(include_url=False):
        place = tuple(part for part in detail["loc"] if part not in _BRANCHES)
        if place not in seen:
            seen.add(place)
            yield detail


def _not_misspelt(model: type[BaseModel], details: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop the missing keys that are there, misspelt: one mistake is one complaint."""
    meant = set[str]()
    for detail in details:
        if detail["type"] == "extra_forbidden":
            known = _keys_at(model, detail["loc"][:-1])
            meant.add(did_you_mean(str(detail["loc"][-1]), known))
    return [
        detail
        for detail in details
        if detail["type"] != "missing" or f"did you mean '{detail['loc'][-1]}'?" not in meant
    ]


#: What pydantic puts behind a key in a location when it is the key that is wrong.
_KEY: Final = "[key]"
#: What pydantic puts into a location to name the branch of a union.
_BRANCHES: Final = {"int", "str", "bool", "float"}

_KINDS: Final = {
    "int_type": "want a whole number",
    "float_type": "want a number",
    "string_type": "want text",
    "bool_type": "want true or false",
    "dict_type": "want a mapping (key: value)",
    "model_type": "want a mapping (key: value)",
    "model_attributes_type": "want a mapping (key: value)",
    "list_type": "want a list (- item)",
}


def _complaint(
    model: type[BaseModel], source: Source, base: Location, detail: ErrorDetails
) -> Diagnostic:
    kind, context = detail["type"], detail.get("ctx", {})
    location = [*base, *(part for part in detail["loc"] if part not in _BRANCHES)]
    if kind == "extra_forbidden":
        word = str(location[-1])
        hint = did_you_mean(word, _keys_at(model, detail["loc"][:-1]))
        return source.complain("SCN011", f"unknown key '{word}'", source.key(location), hint)
    if kind == "missing":
        place = source.value(location[:-1]) if len(location) > 1 else source.value([])
        return source.complain("SCN012", f"key '{location[-1]}' is missing here", place)
    code, message = _worded(kind, context, detail["msg"])
    hint = ""
    if kind == "literal_error" and isinstance(detail["input"], str):
        hint = did_you_mean(str(detail["input"]), _choices(context))
    of_key = location[-1:] == [_KEY]
    place = source.key(location[:-1]) if of_key else source.value(location)
    return source.complain(code, message, place, hint)


def _worded(kind: str, context: dict[str, Any], message: str) -> tuple[str, str]:
    """Return code and message of one of pydantic's errors."""
    if kind.startswith("SCN"):
        return kind, message
    if kind == "literal_error":
        choices = _choices(context)
        return "SCN013", f"want {'one of ' if len(choices) > 1 else ''}{', '.join(choices)}"
    if kind in _KINDS:
        return "SCN014", _KINDS[kind]
    for name, words in (("ge", "or more"), ("le", "or less")):
        if kind in ("greater_than_equal", "less_than_equal") and name in context:
            return "SCN015", f"want {context[name]} {words}"
    if kind == "string_pattern_mismatch":
        return "SCN016", _PATTERNS.get(context["pattern"], f"want {context['pattern']}")
    return "SCN016", message[0].lower() + message[1:]


_PATTERNS: Final = {
    NAME_PATTERN: "want a name of small letters, digits and '-'",
    PATH_PATTERN: "want a path below the gateway's folder, such as app/Device_Handle.cfg",
    ID_PATTERN: "want an id of letters, digits, '_' and '-'",
    REQUIREMENT_ID_PATTERN: "want a requirement id such as REG-M or REG-M.3",
    r"^\d+\.\.\d+$": "want seeds such as 1..500",
}


def _choices(context: dict[str, Any]) -> list[str]:
    """Return the values that pydantic lists as "'a', 'b' or 'c'", without the quotes."""
    listed = str(context.get("expected", "")).replace(" or ", ", ")
    return [choice.strip().strip("'") for choice in listed.split(", ")]


def _keys_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Return the keys that the model knows at `location`."""
    here = model
    for part in location:
        fields = {field.alias or name: field for name, field in here.model_fields.items()}
        if isinstance(part, str) and part in fields:
            here = next(_models(fields[part].annotation), here)
    return [field.alias or name for name, field in here.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models inside an annotation such as ``list[Client] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
