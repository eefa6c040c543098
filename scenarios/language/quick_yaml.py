"""Plain YAML ten times as fast: libyaml composes, the tree is that of ruamel's round-trip loader.

A file of ten thousand lines takes seconds to read in Python and a tenth of one in C. What libyaml
cannot give as the other does (comments, anchors, tags, merged keys, the text of mistakes) is left
to it: `load` returns None, and the caller reads the slow way. Only what scenario files are made of
is read here, into the same containers with the same lines and columns.
"""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any, Final

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, ScalarNode, SequenceNode

#: Whether ruamel.yaml.clib, which brings libyaml, is installed.
_HAS_LIBYAML: Final = find_spec("_ruamel_yaml") is not None

#: Below this many characters the slow way takes no time either.
WORTHWHILE: Final = 20_000

_TAGS: Final = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("str", "int", "float", "bool", "null", "map", "seq", "timestamp")
)


#: What may be a tag that somebody wrote; "!=" is none.
_TAG: Final = re.compile(r"(?:^|[\s\[{,])!(?!=)", re.MULTILINE)


class _UnusualError(Exception):
    """Something that the slow way reads better."""


def load(text: str) -> Any:
    """Return the tree of a plain document; None where the slow way has to read it."""
    if not _HAS_LIBYAML or _TAG.search(text):
        return None
    yaml = YAML(typ="safe", pure=False)
    try:
        node = yaml.compose(text)
        return _Trees(yaml.constructor).build(node) if node is not None else None
    except (YAMLError, ValueError, _UnusualError):
        return None


class _Trees:
    """Builds containers from nodes."""

    def __init__(self, constructor: Any) -> None:
        self._constructor = constructor
        self._seen = set[int]()

    def build(self, node: Any) -> Any:
        """Return what a node says; raises _UnusualError for what scenario files do not have."""
        # A node that is met twice is an alias.
        if node.anchor is not None or str(node.tag) not in _TAGS or id(node) in self._seen:
            raise _UnusualError
        self._seen.add(id(node))
        if isinstance(node, ScalarNode):
            return self._constructor.construct_object(node)
        if isinstance(node, SequenceNode):
            return self._sequence(node)
        if isinstance(node, MappingNode):
            return self._mapping(node)
        raise _UnusualError

    def _sequence(self, node: Any) -> CommentedSeq:
        made = CommentedSeq()
        _place(made, node)
        for number, item in enumerate(node.value):
            made.append(self.build(item))
            mark = item.start_mark
            made._yaml_set_idx_line_col(number, [mark.line, mark.column])  # noqa: SLF001
        return made

    def _mapping(self, node: Any) -> CommentedMap:
        made = CommentedMap()
        _place(made, node)
        for key_node, value_node in node.value:
            key = self.build(key_node)
            if key == "<<" or isinstance(key, list | dict) or key in made:
                raise _UnusualError
            made[key] = self.build(value_node)
            key_mark, mark = key_node.start_mark, value_node.start_mark
            place = [key_mark.line, key_mark.column, mark.line, mark.column]
            made._yaml_set_kv_line_col(key, place)  # noqa: SLF001 - as ruamel's own constructor
        return made


def _place(made: CommentedMap | CommentedSeq, node: Any) -> None:
    made._yaml_set_line_col(node.start_mark.line, node.start_mark.column)  # noqa: SLF001
    if node.flow_style is True:
        made.fa.set_flow_style()
    elif node.flow_style is False:
        made.fa.set_block_style()
