"""Shells: the Runtime port on asyncio, serial and TCP lines, Modbus listeners, files.

A shell moves bytes and arms timers; it decides nothing about a protocol.
"""
