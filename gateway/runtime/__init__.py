"""Time, tasks and chance for procedures: one kernel that decides every order, thin engines below.

`port` has the shapes that device code is written against; nothing here knows a protocol.
"""
