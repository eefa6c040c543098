"""Checking somebody's Modbus client by what a server saw of it.

`rules` reads the journal of ``simulators.modbus.watch``, `decoded` compares the values that the
client's author says it decoded with the truth of the image, `run` puts both into a run record.
"""
