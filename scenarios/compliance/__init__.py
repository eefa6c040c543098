"""The compliance suite: requirement by requirement, against any gateway, with reasons.

`arrangement` builds a gateway with its meters in virtual time, `verdicts` collects what a case
found for each requirement, `registry` holds the cases, `suite` selects and runs them and joins the
record. The cases themselves stand in ``cases/``, one module for each part of the manual; beside
them the scenario library counts as cases, and over the network the checks of `scenarios.checks`.

To add a case: write a coroutine that takes a `Trial` and a `Verdicts`, decorate it with
`registry.case`, and name the requirements that it decides. A test sees to it that the good gateway
passes it and that a known-bad one (`scenarios.defects`) fails it.
"""
