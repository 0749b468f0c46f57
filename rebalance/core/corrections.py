"""What undoes what: the one table of methods, and whether their probabilities are made true.

exact : by a formula that holds for the fit. approximate : by one that holds about. calibrated : by
a function fitted to rows of the natural distribution. refused : by nothing that is known.

Commands look here for what they say, and the guide's table is made from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["exact", "approximate", "calibrated", "refused"]

OFFSET, WEIGHT, POSTHOC = "offset", "weight", "posthoc"
_THINNED = ("nonuniform", "uniform", "random-under")
_ANY_FIT = (OFFSET, WEIGHT, POSTHOC, "none")
ANY = "any"
DETECTOR = "pyod:NAME"  # any of them
# What is done at the fit, by options of `rebalance train`.
CLASS_WEIGHT, FOCAL, CURRICULUM, TWO_STAGE = "class-weight", "focal", "curriculum", "two-stage"


@dataclass(frozen=True)
class Correction:
    """One row.

    methods : what was done, as --method or another option says it; `ANY` alone for all; empty for
        every sampler that no other row names.
    learners : as --model says it; empty for all, those of other tools too.
    by : as --correction says it, or the option of `rebalance correct`; empty for whatever is asked.
    remedy : what to do where that is not enough; "" where it is.
    on_top : it is done on top of a sampler, which has a row of its own: the worse of both counts.
    """

    methods: tuple[str, ...]
    learners: tuple[str, ...]
    by: tuple[str, ...]
    kind: Kind
    formula: str
    remedy: str = ""
    on_top: bool = False


_UNKNOWN = Correction(
    (),
    (),
    (),
    "refused",
    "no inclusion probability is known",
    "fit a calibration on rows of the natural distribution: 'rebalance train' or 'rebalance "
    "correct' with --calibrate-on TABLE",
)
CORRECTIONS: tuple[Correction, ...] = (
    Correction(
        _THINNED,
        ("logistic", "gbm", "xgboost"),
        (OFFSET,),
        "exact",
        "fit logit p_s = g + l, l = log pi_1 - log pi_0; logit p = g",
    ),
    Correction(
        _THINNED,
        ("logistic",),
        (WEIGHT,),
        "exact",
        "each row counts 1/pi in the fit",
        "noisier than the offset, which keeps more information",
    ),
    Correction(
        _THINNED,
        ("gbm", "xgboost"),
        (WEIGHT,),
        "approximate",
        "each row counts 1/pi in the fit; trees stop at few heavy rows",
        "--correction offset",
    ),
    Correction(
        ("uniform", "random-under"),
        ("logistic",),
        (POSTHOC,),
        "exact",
        "logit p = logit p_s - l, l the same for all rows: the intercept moves",
    ),
    Correction(
        ("uniform", "random-under"),
        ("gbm", "xgboost"),
        (POSTHOC,),
        "approximate",
        "logit p = logit p_s - l; trees are shrunk towards the sample's share of positives",
        "--correction offset",
    ),
    Correction(
        ("nonuniform",),
        ("logistic", "gbm", "xgboost"),
        (POSTHOC,),
        "approximate",
        "logit p(x) = logit p_s(x) - l(x); p_s has another shape than p, which the model must fit",
        "--correction offset",
    ),
    Correction(
        ("random-over",),
        ("logistic",),
        (OFFSET, WEIGHT, POSTHOC),
        "exact",
        "copies count as pi_k, the mean number of them: as for the thinnings",
    ),
    Correction(
        ("random-over",),
        ("gbm", "xgboost"),
        (OFFSET, WEIGHT, POSTHOC),
        "approximate",
        "copies count as pi_k, the mean number of them; copies fill leaves that one row could not",
        "to thin the common class, --method uniform or nonuniform",
    ),
    Correction(
        _THINNED,
        ("hist-gbm",),
        (POSTHOC,),
        "approximate",
        "logit p = logit p_s - l; scikit-learn's boosting takes no offset",
        "--model gbm, which takes the offset",
    ),
    Correction(
        _THINNED,
        ("hist-gbm",),
        (WEIGHT,),
        "approximate",
        "each row counts 1/pi in the fit; trees stop at few heavy rows",
        "--model gbm with --correction offset",
    ),
    Correction(
        ("random-over",),
        ("hist-gbm",),
        (POSTHOC, WEIGHT),
        "approximate",
        "copies count as pi_k, the mean number of them; copies fill leaves that one row could not",
        "to thin the common class, --method uniform or nonuniform",
    ),
    Correction(
        (*_THINNED, "random-over"),
        (),
        ("--design", "--rate", "--pi", "--offset", "--prior"),
        "approximate",
        "logit p = logit p_s - l; exact where p_s is a converged log-loss fit of the right form",
        "'rebalance correct' with --calibrate-on TABLE instead",
    ),
    Correction(
        ("logit-adjustment", "balanced-softmax"),
        ("logistic", "gbm", "xgboost", "hist-gbm"),
        ("--balanced",),
        "exact",
        "log p_k = f_k + the adjustment of class k, made to sum to 1",
    ),
    Correction(
        (CLASS_WEIGHT,),
        ("logistic",),
        _ANY_FIT,
        "exact",
        "weights act as pi: fit logit p_s = g + l + log(w_1 / w_0); logit p = g; with a large "
        "penalty approximate",
        on_top=True,
    ),
    Correction(
        (CLASS_WEIGHT,),
        ("gbm",),
        _ANY_FIT,
        "approximate",
        "the same; trees are regularised by the weighted rows",
        "--calibrate-on TABLE",
        on_top=True,
    ),
    Correction(
        (FOCAL,),
        ("logistic",),
        _ANY_FIT,
        "exact",
        "p = h(q) / (h(q) + h(1 - q)), h(v) = v / ((1-v)^gamma - gamma (1-v)^(gamma-1) v log v), "
        "then as for weights; with a large penalty approximate",
        on_top=True,
    ),
    Correction(
        (FOCAL,),
        ("gbm",),
        _ANY_FIT,
        "approximate",
        "the same; trees stop short of the loss's minimum",
        "--calibrate-on TABLE",
        on_top=True,
    ),
    Correction(
        (CURRICULUM,),
        ("gbm",),
        _ANY_FIT,
        "approximate",
        "each stage keeps rows with pi_k(a) and starts from the log odds so far + log pi_1 - log "
        "pi_0, which the next drops",
        "--calibrate-on TABLE",
        on_top=True,
    ),
    Correction(
        (TWO_STAGE,),
        ("gbm",),
        _ANY_FIT,
        "approximate",
        "the second stage keeps rows with pi_k and starts from the first one's log odds + log pi_1 "
        "- log pi_0, which is dropped",
        "--calibrate-on TABLE",
        on_top=True,
    ),
    _UNKNOWN,
    Correction(
        (ANY,),
        ("forest", "balanced-forest", "balanced-bagging"),
        (),
        "calibrated",
        "average vote p of T trees, log((T p + 1/2) / (T (1 - p) + 1/2)), less l where it is "
        "known, recalibrated by --calibrate-on TABLE",
    ),
    Correction(
        (ANY,),
        ("easy-ensemble", "rusboost"),
        (),
        "calibrated",
        "AdaBoost's log odds, less l where it is known, recalibrated by --calibrate-on TABLE",
    ),
    Correction(
        (ANY,),
        ("one-class-svm", "isolation-forest", DETECTOR),
        (),
        "calibrated",
        "score, standardised, recalibrated by --calibrate-on TABLE",
    ),
    Correction(
        (ANY,),
        (),
        ("--calibrate-on",),
        "calibrated",
        "logit q = a + b logit p (platt), or beta, or isotonic, fitted to outcomes",
    ),
)


def correction_of(method: str, learner: str, by: str) -> Correction:
    """The row of a sampler, a learner and a way to correct.

    A row that names the learner counts before one that does not, and a row that names the sampler
    before one of any; what no row names is refused.

    >>> correction_of("random-under", "gbm", "posthoc").kind
    'approximate'
    >>> correction_of("tomek", "gbm", "none").kind
    'refused'
    """

    if learner.startswith("pyod:"):
        learner = DETECTOR

    def rank(row: Correction) -> tuple[bool, bool]:
        return learner not in row.learners, method not in row.methods

    fitting = [
        row
        for row in CORRECTIONS
        if (method in row.methods or row.methods == (ANY,))
        and (not row.learners or learner in row.learners)
        and (not row.by or by in row.by)
    ]
    return min(fitting, key=rank, default=_UNKNOWN)


def worse(*kinds: Kind) -> Kind:
    """The kind of what was done in several ways at once: no better than any of them.

    >>> worse("exact", "approximate")
    'approximate'
    """
    return max(kinds, key=get_args(Kind).index)


def in_short(method: str) -> str:
    """What a sampler's probabilities are with the usual correction, by learner where they differ.

    >>> in_short("uniform"), in_short("random-over"), in_short("enn")
    ('exact', 'exact; gbm, xgboost approximate', 'refused')
    """
    rows = [row for row in CORRECTIONS if method in row.methods and OFFSET in row.by]
    if not rows:
        return _UNKNOWN.kind
    others = [f"{', '.join(row.learners)} {row.kind}" for row in rows if row.kind != rows[0].kind]
    return "; ".join([rows[0].kind, *others])
