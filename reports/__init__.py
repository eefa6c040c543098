"""Verdicts, run records and their renderings; opens no connection.

`verdict` holds the lattice in which results are joined, `record` the run record (``result.json``,
the source of truth, with a published JSON schema), and `html` and `junit` are renderings of it.
To add a rendering, write one function ``render(record) -> str`` and mount it in `cli`; nothing in
a rendering may decide a verdict.
"""
