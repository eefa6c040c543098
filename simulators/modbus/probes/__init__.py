"""What can be asked of a Modbus server from outside, one function for each thing to find out.

A probe takes a `wire.Prober` (some also settings of their own), sends what its question needs and
returns an `Observation`. It never says what is right: the rules are in ``scenarios/checks``.

`connections` holds what concerns TCP connections, `framing` the MBAP header and unit identifiers,
`functions` the function codes, `identification` function code 2B, `datagrams` UDP, and
`robustness` what a server must survive.
"""
