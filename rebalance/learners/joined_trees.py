"""LightGBM's text of several models -> that of their sum."""

from __future__ import annotations

import re
from collections.abc import Sequence

_END = "end of trees"


def joined(texts: Sequence[str]) -> str:
    """One model whose raw score is the sum of those of all, their trees one after the other.

    The models are of the same features, of two classes, as `boosting.without_parameters` gives
    them. The head is the last one's; importances, which are those of one part, are left out.
    """
    head = texts[-1].partition("\nTree=")[0]
    trees = [
        f"Tree={number}\n{body}"
        for number, body in enumerate(body for text in texts for body in _bodies(text))
    ]
    # LightGBM finds each tree by these sizes, in bytes.
    sizes = " ".join(str(len(tree.encode())) for tree in trees)
    head = re.sub(r"tree_sizes=.*", f"tree_sizes={sizes}", head)
    return f"{head}\n{''.join(trees)}{_END}\n\n"


def _bodies(text: str) -> list[str]:
    """What follows the number of each tree, with the empty lines after it."""
    trees = text.partition(f"\n{_END}")[0] + "\n"
    return [part.partition("\n")[2] for part in re.split(r"(?m)^Tree=", trees)[1:]]
