"""The bench: its description, its resources, virtual and real hardware, and the pytest fixtures.

`bench` reads the bench file, which names buses and gateways; `buses` opens a bus, `gateways` a
gateway, `modbus_client` a connection to it, `host` runs what must run beside a test, and
`pytest_plugin` hands all of them to tests. A bench of real hardware and the virtual one that needs
none are the same to a test. `virtual` and `reference` are a simulated converter and the reference
gateway for asyncio code; `runtimes` is where the gateway's procedures meet the simulators' time.
"""
