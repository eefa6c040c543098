"""The appliance: master procedures, read-out, meter list, configuration, all on the Runtime port.

Nothing here imports an event loop, a clock, a socket or a source of chance.
"""
