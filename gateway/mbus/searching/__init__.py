"""The secondary search beyond the plain digit tree, as pure objects: masks out, outcomes in.

`thorough.ThoroughSearch` leaves nothing out: digits, letters, bytes, one mask at a time.
`adaptive.AdaptiveSearch` finds the same meters with fewer masks and hands over to it what it cannot
tell apart. Underneath: `level` chooses among the masks of one level, `position` the digit to fix
next, `estimate` says what to expect, `coordinates` what a mask can fix. docs/search.md tells it in
plain words.
"""
