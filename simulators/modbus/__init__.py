"""Modbus seen from the other side: MBAP, PDUs and the register layout, read independently.

Written from the manual alone and sharing no line with the gateway's server, so that a mistake in
one cannot hide in the other. Everything here is sans-IO and total over its input: whatever bytes
a server sends become an answer or an observation of what is wrong with them, and never a verdict;
verdicts are formed in ``scenarios/checks``.

`mbap` frames, `pdu` builds requests and reads answers, `client` pairs the two by transaction
identifier, `survey` finds out which registers a gateway serves, `layout` reads entries from
registers, `tables` names media and units.
"""
