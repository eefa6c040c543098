"""Modbus seen from the other side: MBAP, PDUs and the register layout, read independently."""
