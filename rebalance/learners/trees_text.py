"""LightGBM's text as a member of an artifact: read once it is sure to be whole.

LightGBM reads each tree by its size in the head, several at a time, and ends the process where one
of them is not there: no error comes back that could be told.
"""

from __future__ import annotations

import re

from rebalance.errors import ArtifactError
from rebalance.learners.skops_member import damaged

_TREE, _END = b"\nTree=", b"\nend of trees"


def trees_text(content: bytes) -> str:
    """The text in these bytes.

    Raises
    ------
    ArtifactError : it does not hold the trees, one after the other, that its head tells of.
    """
    head, _, rest = content.partition(_TREE)
    trees, end, _ = rest.partition(_END)
    found = re.search(rb"(?m)^tree_sizes=([0-9 ]*)$", head)
    if found is None or not end:
        raise _cut()
    body = _TREE[1:] + trees + b"\n"
    at = 0
    for number, size in enumerate(map(int, found[1].split())):
        if not body.startswith(b"Tree=%d\n" % number, at):
            raise _cut()
        at += size
    if at != len(body):
        raise _cut()
    try:
        return content.decode()
    except UnicodeDecodeError as exc:
        raise _cut() from exc


def _cut() -> ArtifactError:
    return damaged("LightGBM", "the trees are not those that its head tells of")
