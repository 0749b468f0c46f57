"""predictions of a model with costs -> its threshold, in place of the word "model" """

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from rebalance.core.thresholds import Threshold, parse_threshold
from rebalance.errors import DataError, UsageError
from rebalance.steps.predictions import THRESHOLD_KEY
from rebalance.storage.tables import Table

MODELS_THRESHOLD = "model"


def with_models_threshold(
    table: Table, thresholds: Sequence[str], checks: Sequence[str]
) -> list[Threshold]:
    """The thresholds, each once, with the table's own where they say "model".

    Raises
    ------
    UsageError : the table does not know one.
    DataError : what it knows is no threshold.
    """
    if MODELS_THRESHOLD not in [text.strip() for text in thresholds]:
        for text in checks:
            if f"@{MODELS_THRESHOLD}" in text:
                raise UsageError(
                    f"--fail-if '{text}' is about a threshold that is not asked for",
                    remedy=f"add --threshold {MODELS_THRESHOLD}",
                )
        return list(dict.fromkeys(map(parse_threshold, thresholds)))
    written = table.metadata.get(THRESHOLD_KEY.encode())
    if written is None:
        raise UsageError(
            "the table does not say the model's threshold: only predictions in Parquet or Arrow "
            "of a model trained with --cost do",
            where=f"file '{table.title}', --threshold {MODELS_THRESHOLD}",
            remedy="give the number, which is fp / (fp + fn)",
        )
    try:
        value = float(json.loads(written))
    except (ValueError, TypeError, RecursionError):
        value = math.nan
    if not 0 <= value <= 1:
        raise DataError(
            f"what the file's metadata '{THRESHOLD_KEY}' says is no threshold",
            where=f"file '{table.title}'",
            remedy="give a number with --threshold",
        )
    models = Threshold("value", value, MODELS_THRESHOLD)
    found = [
        models if text.strip() == MODELS_THRESHOLD else parse_threshold(text) for text in thresholds
    ]
    # By its word, too, where the number is given next to it.
    return [models if each == models else each for each in dict.fromkeys(found)]
