"""The benchmarks are no part of the wheel: tests find them in the tree, behind the wheel."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).resolve().parent.parent.parent)
if ROOT not in sys.path:
    sys.path.append(ROOT)
