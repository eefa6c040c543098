"""``meterbench demo``: a basement of meters, the gateway that reads it, a client that checks it.

Nothing here is special: a population file, the reference gateway on a TCP line in real time, an
independent Modbus client (pymodbus), the layout check and the report of every other run.
"""
