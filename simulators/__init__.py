"""Populations of M-Bus meters on a simulated two-wire bus, and Modbus peers, all in SimPy time.

Shares no code with `gateway`. Yields observations with evidence and never a verdict.
"""
