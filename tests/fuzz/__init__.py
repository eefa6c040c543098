"""Coverage-guided fuzzing of everything that reads bytes from outside.

Run it with ``tox -e fuzz -- SECONDS`` (so many seconds for each harness), or in an environment of
your own with ``pip install atheris`` and ``python -m tests.fuzz SECONDS [decode|frames|modbus]``.
Atheris instruments the package `gateway`, starts from seeds (telegrams made up in the tests, and
real ones if METERBENCH_CORPUS names their folder), and reports the executions and the coverage it
reached. What it finds is written to ``crash-...`` in the working directory; run the harness again
with that file in place of the seconds to see the traceback, then make it a named test of the module
at fault.

One module is one harness: ``seeds()`` and ``check(data)``, which raises when a promise is broken.
``test_harnesses.py`` runs every ``check`` over a fixed set of inputs, without atheris, so that the
harnesses stay alive between the runs.

- `fuzz_decode`: any bytes are a telegram with a JSON form, a text and descriptions; read by plan it
  says what it said at first sight.
- `fuzz_frames`: `missing` and `parse` agree on where a frame ends.
- `fuzz_modbus`: a stream of requests is answered the same in any split.
"""
