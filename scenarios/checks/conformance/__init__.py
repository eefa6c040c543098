"""The Modbus conformance checks: what a probe saw, compared with what must be seen.

`checks.csv` is the list, in the words of ``docs/modbus-checks.md``; `table` reads it. Each check
has one rule in `connections`, `framing`, `functions`, `identification`, `datagrams` or
`robustness`, and `plan` says which probe of ``simulators.modbus.probes`` the rule looks at. `run`
asks a gateway and gives one case for each check.
"""
