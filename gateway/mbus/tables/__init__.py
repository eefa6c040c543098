"""The tables of the standard and of the manual, as data: one row per coding.

Nothing here decides anything; `gateway.mbus.coding` puts the rows together.
"""
