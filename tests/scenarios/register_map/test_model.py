"""Both spellings of a map hold the same; what is no map is refused with the place."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import scenarios.register_map
from gateway.registers.layout import Layout
from scenarios.register_map import listed, model
from scenarios.register_map.model import MapError, Order, RegisterMap, Row, Type
from tests.scenarios.register_map import lists

PUBLISHED = Path(scenarios.register_map.__file__).with_name("register-map.schema.json")

texts = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    """Any row."""
    kind = draw(st.sampled_from(Type))
    return Row(
        unit_identifier=draw(st.integers(0, 255)),
        address=draw(st.integers(0, 65532)),
        length=kind.length,
        type=kind,
        word_order=draw(st.sampled_from(Order)),
        meter=draw(texts),
        value=draw(st.none() | st.integers(1, 99)),
        field=draw(texts.filter(bool)),
        unit=draw(texts),
        scale=draw(st.none() | st.integers(-32768, 32767)),
        label=draw(texts),
    )


@given(rows(), st.sampled_from(["json", "csv"]))
def test_what_was_written_is_read_again(row: Row, spelling: str) -> None:
    """Any row survives either spelling."""
    written = RegisterMap(rows=(row,))
    text = written.to_json() if spelling == "json" else written.to_csv()
    assert model.parse(text) == written


def test_the_published_schema_is_that_of_the_model_and_takes_a_map() -> None:
    """The file beside the module is made from the model."""
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    assert published == model.schema()
    found = listed.of_list(lists.meters(Layout()), Layout())
    jsonschema.validate(json.loads(found.to_json()), published)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected a register map"),
        ("a,b\n1,2\n", "line 1: expected the names"),
        ("unit_identifier,address,length,type,field\n1,2\n", "line 2: expected 5 cells, got 2"),
        ("unit_identifier,address,length,type,field\n255,20,2,int64,x\n", "int64 has 4 registers"),
        ("unit_identifier,address,length,type,field\n256,20,4,int64,x\n", "line 2: unit_identifi"),
        (
            "unit_identifier,address,length,type,field\n1,20,4,int64,x\n1,22,1,int16,y\n",
            "unit 1, register 22: claimed by 'x' and by 'y'",
        ),
        ('{"rows": 1}', "rows"),
        ("[", "JSON"),
    ],
)
def test_what_is_no_map_is_refused_with_its_place(text: str, message: str) -> None:
    """Line or path, and what was expected."""
    with pytest.raises(MapError, match=message):
        model.parse(text)


@given(st.text(max_size=200))
def test_no_text_brings_anything_but_a_map_or_the_error(text: str) -> None:
    """Files come from strangers."""
    try:
        parsed = model.parse(text)
    except MapError:
        return
    assert model.parse(parsed.to_json()) == parsed
