"""Run the benchmarks: ``python -P benchmarks/measure.py [M1 M4 ...] [--json FILE] [--quick]``."""

from __future__ import annotations

import sys
from pathlib import Path

# Behind everything else: where the wheel is installed, the wheel is what is measured.
sys.path.append(str(Path(__file__).resolve().parent.parent))

from benchmarks.run import main

if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
