"""The bench: its description, its resources, virtual and real hardware, and the pytest fixtures.

`bench` reads the bench file; `resources` has the shape of each entry, `families` what makers
publish of converters. `buses` opens a bus, `gateways` a gateway, `drivers` a converter by itself
or a switch; `protocols` says what can be done with each. `strategy` brings a gateway from state
to state, `leases` and `claims` let one run at a time have the hardware. `recorder` keeps what
passes in a `recording`; `replay` and `calibration` use it again. `probe` and `health` look at a
bench, `cli` is the command, `pytest_plugin` hands all of it to tests. A bench of real hardware
and the virtual one that needs none are the same to a test. `virtual` and `reference` are a
simulated converter and the reference gateway for asyncio code, `bridges` puts real programs
between them; `runtimes` is where the gateway's procedures meet the simulators' time.
"""
