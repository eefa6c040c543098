"""A Modbus server whose only purpose is to be read wrongly: it writes down what a client does.

`image` is what it serves: a small register map in the manual's layout, whose values move and are
chosen so that every usual mistake gives another number. `server` serves it, keeps the journal, and
misbehaves on request. What a journal says about the client is judged in ``scenarios/checks``.
"""
