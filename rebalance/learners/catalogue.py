"""Every learner with what it does, needs, may be set, and how its probabilities are made true.

Light: the command line reads it for its choices, and steps for what a learner can do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rebalance.core.corrections import Correction, correction_of
from rebalance.core.parameters import Parameter, read_parameters
from rebalance.errors import UsageError, nearest
from rebalance.learners.pyod_detectors import DETECTORS, detector_of

# offset: the fit knows how rows were sampled. post-hoc: fitted on the sample's scale, and moved to
# the population's at prediction. calibrated: by a rising function that was fitted to natural rows.
Truth = Literal["offset", "post-hoc", "calibrated"]

AUTO = "auto"
PYOD = "pyod:"
DEFAULT_CALIBRATION = "platt"


@dataclass(frozen=True)
class Entry:
    """A learner.

    path : its module below `rebalance.learners`, and its class. of_classes : the same of what fits
        many classes; None where it knows two only.
    missing : what stands for missing values.
    corrections : the values of --correction that it can carry out, its usual one first.
    accepts : the options that mean something, by the names of `learners.base.Settings`.
    parameters : what --set may set. weights : whether it takes the user's.
    one_class : it is fitted to negatives alone, and gives a score.
    row_bytes : memory for each row, in bytes, besides its values; tree_bytes : for each row and
        tree that is grown to its end, while it is fitted and written.
    extra : what has to be installed, as `pip install 'rebalance-cli[extra]'`.
    """

    name: str
    path: tuple[str, str]
    does: str
    truth: Truth
    missing: str = "the mean and an indicator"
    corrections: tuple[str, ...] = ("posthoc",)
    accepts: frozenset[str] = frozenset()
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    weights: bool = False
    one_class: bool = False
    row_bytes: int = 0
    tree_bytes: int = 0
    extra: str | None = None
    of_classes: tuple[str, str] | None = None

    @property
    def needs_calibration(self) -> bool:
        """Whether it gives the population's probabilities only once it is calibrated."""
        return self.truth == "calibrated"

    @property
    def correction(self) -> Correction:
        """How the probabilities of a thinned sample are made true, by its usual correction."""
        return correction_of("uniform", self.name, next(iter(self.corrections), "none"))

    def bytes_of_a_row(self, given: Sequence[str]) -> int:
        """What training takes for each row besides its values; `given` as in `Settings`.

        Raises
        ------
        UsageError : see `core.parameters.read_parameters`.
        """
        trees = read_parameters(self.name, self.parameters, given).get("n_estimators", 0)
        return self.row_bytes + self.tree_bytes * int(trees)

    def document(self) -> dict[str, Any]:
        """The entry as JSON."""
        return {
            "name": self.name,
            "does": self.does,
            "probabilities": self.truth,
            "exactness": self.correction.kind,
            "how": self.correction.formula,
            "missing": self.missing,
            "corrections": list(self.corrections),
            "sample_weight": self.weights,
            "many_classes": self.of_classes is not None,
            "options": sorted(option_of(name) for name in self.accepts),
            "parameters": {
                name: {"default": each.default, "allowed": str(each)}
                for name, each in self.parameters.items()
            },
            "extra": self.extra,
        }


def option_of(setting: str) -> str:
    """How a setting is written on the command line."""
    return "--" + setting.replace("_", "-")


_BOOSTING = frozenset({"rounds", "learning_rate", "leaves"})
_REWEIGHTED = frozenset({"class_weight", "gamma"})
_ALL_CORRECTIONS = ("offset", "weight", "posthoc")
_TREES = Parameter(100, low=1, high=10_000)
_DEPTH = Parameter(None, low=1, high=64)
_LEAF = Parameter(1, low=1)
_FEATURES = Parameter("sqrt", low=0, high=1, above=True, whole=False, choices=("sqrt", "log2"))


def _one_class(name: str, does: str, rows: int, **rest: Any) -> Entry:
    parameters = {**rest.pop("parameters"), "rows": Parameter(rows, low=2, high=10_000_000)}
    return Entry(
        name, ("detectors", "Detector"), does, "calibrated",
        corrections=(), parameters=parameters, one_class=True, row_bytes=2_000, **rest,
    )  # fmt: skip


def _ensemble(name: str, does: str, **rest: Any) -> Entry:
    return Entry(
        name, ("ensembles", "Ensemble"), does, "calibrated", row_bytes=3_000,
        **rest,
    )  # fmt: skip


_LIST: tuple[Entry, ...] = (
    Entry(
        "gbm",
        ("gbm", "GradientBoosting"),
        "LightGBM's boosted trees",
        "offset",
        missing="as they are",
        corrections=_ALL_CORRECTIONS,
        accepts=_BOOSTING | _REWEIGHTED | {"curriculum", "two_stage"},
        weights=True,
        of_classes=("gbm_classes", "ClassBoosting"),
    ),
    Entry(
        "logistic",
        ("logistic", "Logistic"),
        "logistic regression",
        "offset",
        corrections=_ALL_CORRECTIONS,
        accepts=_REWEIGHTED | {"l1", "l2", "cross_validate", "robust"},
        weights=True,
        of_classes=("multinomial", "Multinomial"),
    ),
    Entry(
        "xgboost",
        ("xgboost_trees", "Xgboost"),
        "XGBoost's boosted trees",
        "offset",
        missing="as they are",
        corrections=_ALL_CORRECTIONS,
        accepts=_BOOSTING,
        parameters={
            "max_depth": Parameter(0, low=0, high=64),
            "min_child_weight": Parameter(1.0, low=0, whole=False),
            "reg_lambda": Parameter(1.0, low=0, whole=False),
            "reg_alpha": Parameter(0.0, low=0, whole=False),
            "subsample": Parameter(1.0, low=0, high=1, above=True, whole=False),
            "colsample_bytree": Parameter(1.0, low=0, high=1, above=True, whole=False),
        },
        weights=True,
        row_bytes=500,
        extra="xgboost",
        of_classes=("xgboost_trees", "ClassXgboost"),
    ),
    Entry(
        "hist-gbm",
        ("hist_gbm", "HistGradientBoosting"),
        "scikit-learn's histogram boosting",
        "post-hoc",
        corrections=("posthoc", "weight"),
        accepts=_BOOSTING,
        parameters={
            "l2_regularization": Parameter(0.0, low=0, whole=False),
            "max_depth": _DEPTH,
            "min_samples_leaf": Parameter(20, low=1),
            "max_bins": Parameter(255, low=2, high=255),
        },
        weights=True,
        row_bytes=3_000,
        of_classes=("hist_gbm", "ClassHistGradientBoosting"),
    ),
    _ensemble(
        "forest",
        "random forest",
        corrections=("posthoc", "weight"),
        tree_bytes=120,
        parameters={
            "n_estimators": _TREES,
            "max_depth": _DEPTH,
            "min_samples_leaf": _LEAF,
            "max_features": _FEATURES,
        },
        weights=True,
    ),
    _ensemble(
        "balanced-forest",
        "forest, each tree of as many rows of either class",
        tree_bytes=120,
        parameters={
            "n_estimators": _TREES,
            "max_depth": _DEPTH,
            "min_samples_leaf": _LEAF,
            "max_features": _FEATURES,
        },
    ),
    _ensemble(
        "balanced-bagging",
        "bagged trees, each of as many rows of either class",
        tree_bytes=120,
        parameters={
            "n_estimators": Parameter(50, low=1, high=10_000),
            "max_depth": _DEPTH,
            "min_samples_leaf": _LEAF,
        },
    ),
    _ensemble(
        "easy-ensemble",
        "AdaBoost on several balanced subsets",
        parameters={
            "n_estimators": Parameter(10, low=1, high=1_000),
            "stumps": Parameter(50, low=1, high=1_000),
        },
    ),
    _ensemble(
        "rusboost",
        "AdaBoost, each round on a balanced subset",
        parameters={
            "n_estimators": Parameter(50, low=1, high=10_000),
            "learning_rate": Parameter(1.0, low=0, above=True, whole=False),
            "max_depth": Parameter(1, low=1, high=64),
        },
    ),
)
_LIST += (
    _one_class(
        "one-class-svm",
        "a border around the common class",
        2_000,
        parameters={
            "nu": Parameter(0.5, low=0, high=1, above=True, whole=False),
            "gamma": Parameter("scale", low=0, above=True, whole=False, choices=("scale", "auto")),
        },
    ),
    _one_class(
        "isolation-forest",
        "how few cuts set a row apart",
        1_000_000,
        parameters={"n_estimators": _TREES, "max_samples": Parameter(256, low=2)},
    ),
    *(
        _one_class(
            PYOD + each.name, each.does, each.rows, parameters=each.parameters, extra="anomaly"
        )
        for each in DETECTORS.values()
    ),
)
ENTRIES: dict[str, Entry] = {entry.name: entry for entry in _LIST}


def entry_of(name: str) -> Entry:
    """The learner of this name.

    Raises
    ------
    UsageError : there is none.
    """
    if name.startswith(PYOD):
        return ENTRIES[PYOD + detector_of(name.removeprefix(PYOD)).name]
    if name not in ENTRIES:
        raise UsageError(f"there is no learner '{name}'", remedy=nearest(name, ENTRIES))
    return ENTRIES[name]


def listing() -> list[dict[str, Any]]:
    """Every learner, for whoever chooses one."""
    return [entry.document() for entry in _LIST]
