"""The engines as fixtures."""

from __future__ import annotations

import pytest

from tests.gateway.runtime.engines import Run


@pytest.fixture(params=["simpy", "jumping", "asyncio"])
def run(request: pytest.FixtureRequest) -> Run:
    """Every engine."""
    return Run(request.param)


@pytest.fixture(params=["simpy", "jumping"])
def virtual_run(request: pytest.FixtureRequest) -> Run:
    """The engines on which two things can happen at one instant."""
    return Run(request.param)
