"""M-Bus on the wire, as pure functions: frames, addresses, data records, the tables of EN 13757-3.

Nothing here reads a clock, logs or waits. Facts are cited from MBDOC48 by PDF page.

From the line upward: `frames` (four formats, `missing`), `address` (secondary addresses, masks),
`telegram.decode` (any bytes to a `Telegram`, never raises), `header` and `fixed` (what stands
before or instead of records), `record` (`DataRecord`, values on demand), `structure` (where a
record ends), `coding` (what DIB and VIB mean, remembered by their bytes), `data_types` (bytes to
exact values), `tables` (one row per coding), `timestamps` (which time belongs to which value). For
people: `description` (modes of the Meter tab), `jsonform`, `textform`, `decode` (the command).

One more VIF or VIFE is one more row in `tables.vif` or `tables.vife`; the import fails if it
overlaps another. One more data type is a function in `data_types`, a `Form` and its reader in
`record`.
"""
