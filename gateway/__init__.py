"""The reference gateway: M-Bus master, register image, Modbus server, and the appliance around.

Behaves as the device's manual says, requirement by requirement. It shares no code with
`simulators`: the two meet on the wire only, so that a mistake in one cannot hide in the other.
"""
