"""Rules that turn observations into verdicts, each with the requirement it speaks for.

A rule takes what was observed (register blocks read by `simulators.modbus`, events of a run) and
what is true (what the simulated population says it sent), and gives `reports.record.Case`
objects. It parses no protocol byte and opens no connection.
"""
