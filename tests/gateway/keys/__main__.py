"""``tox -e keys``: every setting in turn gets its default, and the proof must then fail.

Words in the arguments choose the settings whose names hold one of them.
"""

from __future__ import annotations

import sys

from tests.gateway.keys.mutation import Outcome, ask, settings


def main(words: list[str]) -> int:
    """Ask every proof with and without the effect; the exit code is 1 if one proves nothing."""
    chosen = [
        setting
        for setting in settings()
        if not words or any(word.lower() in setting.name.lower() for word in words)
    ]
    say = sys.stdout.write
    if ask([setting.node for setting in chosen]) is not Outcome.PASSED:
        say("the proofs do not pass as they stand; run them with pytest\n")
        return 1
    bad = 0
    for setting in chosen:
        without = ask([setting.node], setting)
        proved = without is Outcome.FAILED
        bad += not proved
        verdict = "proved" if proved else f"NOT PROVED ({without.value} without it)"
        say(f"{setting.name:42} {setting.test:42} {verdict}\n")
        sys.stdout.flush()
    say(f"{len(chosen) - bad} of {len(chosen)} settings have an effect that their test proves\n")
    return 1 if bad or not chosen else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
