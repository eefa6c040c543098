"""The five packages reach the installed distribution, and nothing else does."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

PACKAGES = ("gateway", "simulators", "hil", "scenarios", "reports")


def is_editable_or_tree() -> bool:
    """Whether the packages come from the source tree instead of a wheel."""
    try:
        distribution = metadata.distribution("meterbench")
    except metadata.PackageNotFoundError:
        return True
    return not any(str(file).startswith("gateway/") for file in distribution.files or [])


needs_wheel = pytest.mark.skipif(
    is_editable_or_tree(), reason="speaks about the installed wheel: run it with tox"
)


@needs_wheel
def test_the_five_names_belong_to_this_distribution_alone() -> None:
    """Another distribution that ships `scenarios` would overwrite ours silently."""
    owners = metadata.packages_distributions()
    for package in PACKAGES:
        assert owners[package] == ["meterbench"]


@needs_wheel
def test_the_wheel_ships_no_other_top_level_name() -> None:
    """Tests, docs and benchmarks stay out of the environment of a user."""
    files = metadata.distribution("meterbench").files or []
    top = {Path(str(file)).parts[0] for file in files}
    top = {name for name in top if not name.endswith(".dist-info") and name != ".."}
    assert top == set(PACKAGES)


@needs_wheel
@pytest.mark.parametrize(
    "path",
    [
        *(f"{package}/py.typed" for package in PACKAGES),
        "simulators/populations/demo.yaml",
        "scenarios/requirements.yaml",
        "reports/result.schema.json",
    ],
)
def test_data_files_reach_the_wheel(path: str) -> None:
    """Profiles, populations, scenarios and schemas are package data."""
    files = {str(file) for file in metadata.distribution("meterbench").files or []}
    assert path in files
