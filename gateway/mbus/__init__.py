"""M-Bus on the wire, as pure functions: frames, addresses, data records, the tables of EN 13757-3.

Nothing here reads a clock, logs or waits. Facts are cited from MBDOC48 by PDF page.
"""
