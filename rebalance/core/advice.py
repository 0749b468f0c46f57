"""What to do about an imbalance: counts in, the commands to type next out, each with its reason."""

from __future__ import annotations

import shlex
from decimal import Decimal

from rebalance.core.class_advice import advise_classes
from rebalance.core.situation import Advice, Situation, command
from rebalance.core.wording import counted

NEARLY_BALANCED = 5.0
MILD = 20.0
STRONG = 100.0
FEW_NEGATIVES = 20_000
BIG_ROWS = 1_000_000
HOPELESS = 10
NOISY = 20
RATIO = 5
KEPT_PER_POSITIVE = 10


def advise(situation: Situation) -> list[Advice]:
    """What to do, in the order to do it.

    >>> few = Situation(("t.csv",), "y", positives=4000, negatives=10_000, features=3)
    >>> advise(few)[1].command
    'rebalance train train.parquet -l y --natural --model gbm -o model.rbl'
    """
    first = [*_before(situation), *_about_columns(situation)]
    if situation.rare < HOPELESS:
        if situation.classes > 2 and not situation.positive_was_named and situation.features:
            return [*first, *advise_classes(situation)]
        return [*first, _too_few(situation)]
    if not situation.features:
        return [*first, Advice("No column is left to learn from: join some to the table.")]
    steps = _sampled(situation) if _pays_to_sample(situation) else [_natural(situation)]
    noisy = [_noisy(situation)] if situation.is_noisy else []
    return [*first, *noisy, _split(situation), *steps, *_after(situation)]


def _before(situation: Situation) -> list[Advice]:
    found = []
    if situation.piped:
        found.append(
            f"The commands below read the table again: save what was piped in as "
            f"{situation.inputs[0]} first."
        )
    if situation.reserved:
        found.append(
            f"{_listed(situation.reserved)}: names starting in rb_ belong to rebalance, and the "
            "other commands refuse the table: rename them, or take the table that this sample "
            "came from."
        )
    advice = [Advice(reason) for reason in found]
    if situation.classes > 2 and not situation.positive_was_named:
        reason = (
            f"The label has {situation.classes:,} classes: name the one you look for, and all the "
            f"others count as negative (below it is the rarest, '{situation.positive}'). Or take "
            "them all: 'pilot' without --positive, 'sample' with --rows or a rate for each, then "
            "'train', 'predict' and 'evaluate'."
        )
        advice.append(Advice(reason, situation.look_again()))
    return advice


def _about_columns(situation: Situation) -> list[Advice]:
    kinds = (
        (situation.leaks, "tells", "tell", "the classes apart alone, as what becomes known only "
         "after the outcome does"),
        (situation.identifiers, "looks", "look", "like an identifier, from which nothing can be "
         "learned for new rows"),
        (situation.infinite, "holds", "hold", "infinite numbers, which no learner takes"),
    )  # fmt: skip
    found = [
        f"{_listed(names)} {one if len(names) == 1 else many} {rest}"
        for names, one, many, rest in kinds
        if names
    ]
    if not found:
        return []
    reason = (
        "; ".join(found) + ": the commands below leave out what is named here; take a --drop away "
        "where you know better."
    )
    return [Advice(reason, situation.look_again())]


def _too_few(situation: Situation) -> Advice:
    rare = counted(situation.rare, "row is", "rows are")
    return Advice(
        f"Only {rare} {situation.rare_word}, too few to train on some and test on others: collect "
        "more (some hundred make a model), then look again.",
        situation.look_again(),
    )


def _noisy(situation: Situation) -> Advice:
    rare = f"{situation.rare:,} {situation.rare_word}s"
    if situation.rare < NOISY:
        return Advice(
            f"With {rare} no probability and no metric will be worth much: use what follows to "
            "try things out, and collect more before anything depends on it."
        )
    return Advice(
        f"{rare} are few for {counted(situation.features, 'feature')} (10 for each "
        "and 100 in all are a usual minimum), so estimates will be noisy: keep every "
        f"{situation.rare_word}, as the commands below do, and take the logistic model, not trees."
    )


def _split(situation: Situation) -> Advice:
    reason = "Set a fifth of the rows aside for the test, with the same share of positives"
    if situation.key is not None:
        reason += f" and all rows of a '{situation.key}' on one side"
    elif situation.time is not None:
        reason += f" (or the latest fifth, with --time {shlex.quote(situation.time)})"
    return Advice(
        f"{reason}.",
        command(
            f"split {situation.input_words}",
            situation.label_words,
            situation.key_words,
            "--test 0.2 -o train.parquet -o test.parquet",
        ),
    )


def _pays_to_sample(situation: Situation) -> bool:
    ratio = situation.imbalance_ratio
    if situation.negatives < FEW_NEGATIVES or ratio < MILD / 2:
        return False
    return ratio >= MILD or situation.positives + situation.negatives > BIG_ROWS


def _natural(situation: Situation) -> Advice:
    """Training on all rows, and why that is best here."""
    ratio = situation.imbalance_ratio
    if ratio < 1:
        reason = "the positive class is not the rare one"
    elif ratio < NEARLY_BALANCED:
        reason = "neither sampling nor class weights are needed"
    elif ratio < MILD:
        reason = "the imbalance is mild and sampling saves little"
    else:
        reason = (
            f"sampling could pay, but a fit on all {situation.negatives:,} negatives is quick too"
        )
    return Advice(
        f"At {situation.shown_ratio} {reason}: train on all rows.",
        command(
            "train train.parquet",
            situation.label_words,
            f"--natural --model {_model(situation)}",
            situation.left_out_words,
            "-o model.rbl",
        ),
    )


def _sampled(situation: Situation) -> list[Advice]:
    """Pilot, sample and fit, with the budget that the ratio suggests."""
    model = f"--model {_model(situation)}"
    budget, reason = _budget(situation)
    method = "--method nonuniform" if situation.imbalance_ratio >= STRONG else ""
    return [
        Advice(
            "Fit a pilot, a cheap model that tells which negatives are worth keeping.",
            command(
                "pilot train.parquet",
                situation.label_words,
                model,
                situation.left_out_words,
                "-o pilot.rbl",
            ),
        ),
        Advice(
            reason,
            command("sample train.parquet --pilot pilot.rbl", method, budget, "-o sample.parquet"),
        ),
        Advice(
            "Train on the sample; the fit corrects for what sampling did to the odds.",
            command("train sample.parquet", model, "-o model.rbl"),
        ),
    ]


def _budget(situation: Situation) -> tuple[str, str]:
    """The sample's budget as an option, and the reason for it."""
    ratio = situation.imbalance_ratio
    if ratio >= STRONG:
        rate = Decimal(f"{KEPT_PER_POSITIVE / ratio:.1g}")
        return f"--rate {rate:f}", (
            f"At {situation.shown_ratio} nearly all negatives say the same: keep every positive "
            f"and, for each, some {KEPT_PER_POSITIVE} of the negatives that tell most, about "
            f"{_share(KEPT_PER_POSITIVE, ratio)} of the rows."
        )
    size = "" if ratio >= MILD else ", and in a big table,"
    return f"--ratio {RATIO}", (
        f"At {situation.shown_ratio}{size} a few negatives tell nearly as much as all: keep every "
        f"positive and {RATIO} negatives for each, about {_share(RATIO, ratio)} of the rows (up to "
        "--ratio 10 where accuracy matters more than time)."
    )


def _after(situation: Situation) -> list[Advice]:
    found = [
        Advice(
            "Predict the test rows; the probabilities are those of the whole population.",
            command("predict test.parquet --model model.rbl -o predictions.parquet"),
        ),
        Advice(
            "Measure the predictions, their calibration included.",
            command("evaluate predictions.parquet", situation.label_words),
        ),
    ]
    if _pays_to_sample(situation):
        whole = command(
            f"run {situation.input_words}",
            situation.label_words,
            _budget(situation)[0],
            situation.left_out_words,
            "-o out",
        )
        found.append(Advice("Or do all of this in one command.", whole))
    return found


def _model(situation: Situation) -> str:
    return "logistic" if situation.is_noisy else "gbm"


def _share(kept_per_positive: int, ratio: float) -> str:
    return f"{100 * (1 + kept_per_positive) / (1 + ratio):.2g}%"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"'{name}'" for name in names)
