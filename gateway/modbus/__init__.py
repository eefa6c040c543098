"""Modbus on the wire, as pure functions: MBAP, PDUs, exceptions, device identification.

Nothing here knows a meter; registers come from an image that is handed in.
"""
