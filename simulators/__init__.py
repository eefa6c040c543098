"""Populations of M-Bus meters on a simulated two-wire bus, and Modbus peers, all in SimPy time.

Shares no code with `gateway`. Yields observations with evidence and never a verdict.

Vocabulary, from the wire upwards. `characters`: bits, characters and how they overlap; time in
ticks, of which every baud rate has a whole number per bit. `receiver`: what one listener hears.
`line`: the bus in virtual time. `frames`, `encoding`: the slave's half of the protocol. `profile`:
a kind of meter as literal records with the readings expected of them. `population`: which meters
hang on a bus, as YAML. `meter`, `selection`, `network`: the slaves, who is selected, and the whole.
`port`: the master in virtual time. `realtime`, `endpoints`, `cli`: the same network for real
masters. `modbus`: the other side of a gateway.

To add a kind of meter, write one file in ``profiles/``: address fields, then for each data record
DIB and VIB as the meter sends them (in quotes), a value as a function of time or literal data, and
under ``expect`` what a correct gateway publishes, in the names of manual 6.2. Loading checks it;
tests read every profile of the folder.
"""
