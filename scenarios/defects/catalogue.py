"""The folder of known-bad gateways, read and checked: which defect breaks what, and how.

One file a defect, so that a review sees a patch and its requirement side by side. Everything wrong
with a file is an error that names it: a defect that no longer fits the source would let a suite
pass for the wrong reason.
"""

from __future__ import annotations

from functools import cache
from importlib import resources, util
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from reports.record import RequirementId

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Lines that a patch may take out and put in, both counted.
PATCH_LINES_MAX: Final = 10
#: Only this package is ever patched: a defect of the bench would prove nothing.
PATCHED: Final = "gateway."


class DefectError(Exception):
    """A defect file that cannot be used: ``file: what was expected, what came``."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class Edit(_Model):
    """One place of a patch: `find` stands once in `module` and is replaced by `put`."""

    module: Annotated[str, Field(min_length=1)]
    find: Annotated[str, Field(min_length=1)]
    put: str

    @field_validator("module")
    @classmethod
    def _of_the_gateway(cls, module: str) -> str:
        if not module.startswith(PATCHED):
            raise ValueError(f"expected a module of the gateway, got {module!r}")
        return module

    @property
    def lines(self) -> int:
        """Lines taken out and put in."""
        return len(self.find.strip("\n").splitlines()) + len(self.put.strip("\n").splitlines())


class Defect(_Model):
    """A gateway that is wrong in one thing."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    title: Annotated[str, Field(min_length=10, description="What this gateway does wrong.")]
    breaks: RequirementId
    also: tuple[RequirementId, ...] = ()
    """Further requirements that cannot but fail with it."""
    patch: Annotated[tuple[Edit, ...], Field(min_length=1)]

    @model_validator(mode="after")
    def _small(self) -> Defect:
        lines = sum(edit.lines for edit in self.patch)
        if lines > PATCH_LINES_MAX:
            raise ValueError(f"expected a patch of at most {PATCH_LINES_MAX} lines, got {lines}")
        return self

    def sources(self) -> dict[str, str]:
        """Return the patched source of each module; raises DefectError where text does not fit."""
        patched: dict[str, str] = {}
        for edit in self.patch:
            text = patched.get(edit.module) or source_of(edit.module)
            count = text.count(edit.find)
            if count != 1:
                raise DefectError(
                    f"{self.id}: expected once in {edit.module}, found {count} times: "
                    f"{edit.find.strip().splitlines()[0]!r}"
                )
            patched[edit.module] = text.replace(edit.find, edit.put)
        return patched


def source_of(module: str) -> str:
    """Return the source text of a module without loading any part of it; DefectError for none."""
    first, *rest = module.split(".")
    spec = util.find_spec(first)
    if spec is None or not spec.submodule_search_locations:
        raise DefectError(f"{module}: no such module")
    place = Path(spec.submodule_search_locations[0]).joinpath(*rest)
    for path in (place.with_suffix(".py"), place / "__init__.py"):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    raise DefectError(f"{module}: no such module")


def load() -> Mapping[str, Defect]:
    """Return every known-bad gateway by its id, in the order of ids."""
    return dict(_packaged())


def load_one(id_: str) -> Defect | None:
    """Return one known-bad gateway, None where there is no such file; the others are not read."""
    path = _folder() / f"{id_}.yaml"
    return read(path) if path.is_file() else None


@cache
def _packaged() -> Mapping[str, Defect]:
    defects = [read(path) for path in sorted(_folder().glob("*.yaml"))]
    return {defect.id: defect for defect in defects}


def _folder() -> Path:
    return Path(str(resources.files("scenarios.defects").joinpath("known_bad")))


def read(path: Path) -> Defect:
    """Read one file; raises DefectError with every finding. Its name is the defect's id."""
    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise DefectError(f"{path.name}: cannot be read: {str(error).splitlines()[0]}") from error
    if not isinstance(document, dict):
        raise DefectError(f"{path.name}: expected a mapping with title, breaks and patch")
    try:
        return Defect.model_validate({"id": path.stem, **document})
    except ValidationError as error:
        findings = [
            f"{path.name}: {'.'.join(str(step) for step in one['loc']) or 'document'}: {one['msg']}"
            for one in error.errors(include_url=False)
        ]
        raise DefectError("\n".join(findings)) from error
