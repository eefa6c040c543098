"""YAML files that remember where everything stands, and complaints that say so.

A person edits populations and profiles by hand; so every mistake is named with file, line, column
and what was expected, all mistakes of a file at once, and a mistyped word with the word that was
probably meant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

Model = TypeVar("Model", bound=BaseModel)
#: Keys and indices that lead from the top of a document to a place in it.
Location = Sequence[str | int]


class Complaint(NamedTuple):
    """One mistake in a file; line and column count from 1."""

    source: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}: {self.message}"


class PopulationError(ValueError):
    """A population or profile cannot be used; `complaints` names every mistake that was found."""

    def __init__(self, complaints: Sequence[Complaint]) -> None:
        super().__init__("\n".join(map(str, complaints)))
        self.complaints = tuple(complaints)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` with the known word nearest to `word`, or nothing."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def load(text: str, source: str) -> Any:
    """Parse YAML 1.2, keeping positions; raises PopulationError with the place of a mistake."""
    try:
        return YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        mark = error.problem_mark
        raise PopulationError([_marked(source, mark, "this key stands here twice")]) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = f"not YAML: {error.problem or error.context}"
        raise PopulationError([_marked(source, mark, problem)]) from error
    except YAMLError as error:
        raise PopulationError([Complaint(source, 1, 1, f"not YAML: {error}")]) from error


def _marked(source: str, mark: Any, message: str) -> Complaint:
    """A complaint at a mark of the YAML parser, which counts from 0."""
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return Complaint(source, line, column, message)


def plain(node: Any) -> Any:
    """The same document in the types of Python alone, as a validator wants it."""
    if isinstance(node, Mapping):
        return {plain(key): plain(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [plain(item) for item in node]
    for kind in (bool, int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return node


def position(document: Any, location: Location, *, of_key: bool = False) -> tuple[int, int]:
    """Line and column of the value at `location`, or of its key; of the last part that exists.

    Parts of `location` that the document does not have (a missing key, the name of a branch) are
    passed over. A document without positions gives 1, 1.
    """
    node, line, column = document, 0, 0
    if isinstance(node, CommentedMap | CommentedSeq):
        line, column = node.lc.line or 0, node.lc.col or 0
    steps = list(location)
    for number, part in enumerate(steps):
        last = number == len(steps) - 1
        if isinstance(node, CommentedMap) and part in node:
            line, column = node.lc.key(part) if of_key and last else node.lc.value(part)
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            line, column = node.lc.item(part)
        elif not _has(node, part):
            continue
        node = node[part]
    return line + 1, column + 1


def _last_key(document: Any, location: Location) -> str:
    """The key at the end of `location`, names of branches passed over; "" for a list's item."""
    node, found = document, ""
    for part in location:
        if _has(node, part):
            node, found = node[part], part if isinstance(part, str) else ""
    return found


def _has(node: Any, part: str | int) -> bool:
    """Whether `part` leads on from `node`, positions or not."""
    if isinstance(node, Mapping):
        return part in node
    return isinstance(node, list) and isinstance(part, int) and part < len(node)


def validate(
    model: type[Model],
    document: Any,
    source: str,
    *,
    context: dict[str, Any] | None = None,
    found: Sequence[Complaint] = (),
) -> Model:
    """Check `document` against `model`; raises PopulationError with every mistake in its place.

    `context` is handed to the validators of `model`. `found` are mistakes known already; they are
    reported with the others, all in the order of the file.
    """
    complaints, cause, valid = list(found), None, None
    try:
        valid = model.model_validate(plain(document), context=context)
    except ValidationError as error:
        cause = error
        complaints.extend(_complaints(model, document, source, error))
    if valid is None or complaints:
        raise PopulationError(sorted(complaints)) from cause
    return valid


def _complaints(
    model: type[BaseModel], document: Any, source: str, error: ValidationError
) -> Iterator[Complaint]:
    """Each mistake in our words, with its place."""
    for detail in error.errors():
        location = detail["loc"]
        unknown = detail["type"] == "extra_forbidden"
        line, column = position(document, location, of_key=unknown)
        if unknown:
            word, known = str(location[-1]), _keys_at(model, location[:-1])
            message = f"unknown key {word!r}{did_you_mean(word, known)}"
        elif detail["type"] == "missing":
            message = f"key {location[-1]!r} is missing here"
        else:
            name = _last_key(document, location)
            reason = detail["msg"].removeprefix("Value error, ")
            message = f"{name}: {reason}" if name else reason
            if detail["type"] != "value_error" and not isinstance(detail["input"], dict | list):
                message += f", got {detail['input']!r}"
        yield Complaint(source, line, column, message)


def _keys_at(model: type[BaseModel], location: Location) -> list[str]:
    """The keys that the model knows at `location`."""
    here: type[BaseModel] = model
    for part in location:
        if isinstance(part, str) and part in here.model_fields:
            here = next(_models(here.model_fields[part].annotation), here)
    return [field.alias or name for name, field in here.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as ``list[Entry] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)
