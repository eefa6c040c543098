"""The JSON schema of a scenario file, from the same models that check it.

The first line ``# yaml-language-server: $schema=scenario.schema.json`` of a file gives completion
in editors that know YAML.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pydantic.json_schema import models_json_schema

from scenarios.language import document
from scenarios.language.verbs import VERBS
from simulators import population

if TYPE_CHECKING:
    from pydantic import BaseModel

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TEMPLATE: Final = "#/$defs/{model}"


def schema() -> dict[str, Any]:
    """Return the schema (JSON Schema 2020-12) of ``*.scn.yaml``."""
    judged = (document.PropertyModel, document.LayoutModel, document.RegistersModel)
    models: list[type[BaseModel]] = [document.Document, *VERBS.values(), *judged]
    _, generated = models_json_schema(
        [(model, "validation") for model in models],
        ref_template=_TEMPLATE,
    )
    definitions: dict[str, Any] = generated["$defs"]
    steps = [{"$ref": _TEMPLATE.format(model=m.__name__)} for m in VERBS.values()]
    definitions["Step"] = {"anyOf": steps}
    whole = definitions.pop("Document")
    properties = whole["properties"]
    one = {"$ref": _TEMPLATE.format(model="PropertyModel")}
    properties["assume"]["items"] = properties["expect"]["items"] = one
    checks = [{"$ref": _TEMPLATE.format(model=model.__name__)} for model in judged]
    properties["check"]["items"] = {"anyOf": checks}
    _put_population(definitions)
    return {"$schema": _DIALECT, **whole, "title": "Scenario", "$defs": definitions}


def _put_population(definitions: dict[str, Any]) -> None:
    """Let ``world.meters`` be a list of meters, or a whole population with its bus and faults."""
    meters = population.schema()
    for name, definition in meters.get("$defs", {}).items():
        definitions.setdefault(name, definition)
    whole = {"type": "object", "properties": meters["properties"], "required": ["meters"],
             "additionalProperties": False}  # fmt: skip
    definitions["WorldModel"]["properties"]["meters"] = {
        "anyOf": [meters["properties"]["meters"], whole]
    }
