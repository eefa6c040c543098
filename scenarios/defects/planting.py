"""Planting: from now on, modules of this process are loaded from other source text.

An import hook in front of all others hands the patched text to the ordinary loader, under the
module's own name and file, so that tracebacks show the real line numbers as far as they agree.
It works only before the module is loaded; afterwards other modules hold its functions already.
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import CodeType, ModuleType


class AlreadyLoadedError(RuntimeError):
    """A module was loaded before it could be planted."""


def plant(sources: Mapping[str, str]) -> None:
    """Load each module of `sources` from the text given there, once it is imported.

    Raises AlreadyLoadedError for a module that this process has loaded, and SyntaxError for text
    that is no Python, before anything is changed.
    """
    loaded = sorted(module for module in sources if module in sys.modules)
    if loaded:
        raise AlreadyLoadedError(f"{loaded[0]} is loaded already")
    for module, text in sources.items():
        compile(text, module, "exec")
    if sources:
        sys.meta_path.insert(0, _Planted(dict(sources)))


class _Planted(MetaPathFinder):
    """Finds the modules that have another source."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return the ordinary spec with a loader of ours; None for every other module."""
        text = self._sources.get(fullname)
        spec = PathFinder.find_spec(fullname, path, target) if text is not None else None
        if text is None or spec is None or spec.origin is None:
            return None
        spec.loader = _TextLoader(fullname, spec.origin, text)
        spec.cached = None
        return spec


class _TextLoader(SourceFileLoader):
    """Compiles a text that is not the file's; nothing is cached on disk."""

    def __init__(self, fullname: str, path: str, text: str) -> None:
        super().__init__(fullname, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:  # noqa: ARG002 - the loader has one module
        """Compile the text under the name of the file that `fullname` has on disk."""
        return compile(self._text, self.path, "exec", dont_inherit=True)
