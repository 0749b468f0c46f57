"""What to do with a long tail: many classes, of which the rarest have next to no rows."""

from __future__ import annotations

import shlex

from rebalance.core.situation import Advice, Situation, command

LEAST_ROWS = 20_000
ROWS_A_CLASS = 10


def advise_classes(situation: Situation) -> list[Advice]:
    """What to do with all classes at once, in the order to do it.

    >>> tail = Situation(("t.csv",), "y", 1, 99_999, features=3, classes=5_000, singles=1_500)
    >>> advise_classes(tail)[2].command
    'rebalance sample train.parquet -l y --method uniform --rows 50000 -o sample.parquet'
    """
    total = situation.positives + situation.negatives
    rows = min(max(LEAST_ROWS, ROWS_A_CLASS * situation.classes), total)
    label = shlex.join(["-l", situation.label])
    found = []
    if situation.singles:
        found.append(
            Advice(
                f"{situation.singles:,} of the {situation.classes:,} classes have one row: they "
                "are kept, but nothing tells how good a model is at them. Classes that belong "
                "together are better put together before."
            )
        )
    found.append(
        Advice(
            "Set a fifth of the rows aside for the test, of each class that has enough.",
            command(
                f"split {situation.input_words}",
                label,
                situation.key_words,
                "--test 0.2 -o train.parquet -o test.parquet",
            ),
        )
    )
    small = total * (1 - 0.2) <= rows
    if not small:
        found.append(
            Advice(
                "Keep the small classes whole, and of the large ones equally many rows: a fit "
                "takes time and memory by rows times classes.",
                command(
                    "sample train.parquet",
                    label,
                    f"--method uniform --rows {rows}",
                    "-o sample.parquet",
                ),
            )
        )
    learnt = "sample.parquet" if not small else f"train.parquet {label} --natural"
    found += [
        Advice(
            "Train on it; what sampling did to the classes' shares is corrected in the fit."
            if not small
            else "Train on all rows.",
            command(f"train {learnt} --model logistic", situation.left_out_words, "-o model.rbl"),
        ),
        Advice(
            "Predict the test rows.",
            command("predict test.parquet --model model.rbl -o predictions.parquet"),
        ),
        Advice(
            "Measure the predictions, of all classes and of each.",
            command("evaluate predictions.parquet", label),
        ),
    ]
    return found
