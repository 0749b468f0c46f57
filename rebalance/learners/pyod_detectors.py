"""The detectors of pyod by name: those that can be kept without pickles, and why others cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rebalance.core.parameters import Parameter
from rebalance.errors import UsageError, nearest


@dataclass(frozen=True)
class PyodDetector:
    """A detector.

    name : its module below `pyod.models`; `kind` is its class.
    parts : the types that a fitted one is made of, besides plain data.
    refitted : it is kept as its rows and fitted again when it is read.
    rows : how many rows it is fitted to at the most, unless --set says otherwise.
    """

    name: str
    kind: str
    does: str
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    parts: tuple[str, ...] = ()
    refitted: bool = False
    rows: int = 100_000


def _count(default: int) -> Parameter:
    return Parameter(default, low=1, high=10_000)


def _share(default: float) -> Parameter:
    return Parameter(default, low=0, high=1, above=True, whole=False)


_LIST = (
    PyodDetector(
        "cblof",
        "CBLOF",
        "distance to large clusters",
        {
            "n_clusters": Parameter(8, low=2, high=1_000),
            "alpha": Parameter(0.9, low=0.5, high=1, whole=False),
            "beta": Parameter(5.0, low=1, above=True, whole=False),
        },
        ("pyod.models.cblof.CBLOF", "sklearn.cluster._kmeans.KMeans"),
    ),
    PyodDetector(
        "gmm",
        "GMM",
        "Gaussian mixture",
        {"n_components": _count(1)},
        ("pyod.models.gmm.GMM", "sklearn.mixture._gaussian_mixture.GaussianMixture"),
    ),
    PyodDetector(
        "hbos",
        "HBOS",
        "histograms, column by column",
        {"n_bins": Parameter(10, low=2, high=10_000), "alpha": _share(0.1), "tol": _share(0.5)},
        ("pyod.models.hbos.HBOS",),
    ),
    PyodDetector(
        "inne",
        "INNE",
        "isolation by nearest neighbours",
        {"n_estimators": _count(200)},
        ("pyod.models.inne.INNE",),
    ),
    PyodDetector(
        "kde",
        "KDE",
        "kernel density",
        {"bandwidth": Parameter(1.0, low=0, above=True, whole=False)},
        refitted=True,
        rows=2_000,
    ),
    PyodDetector(
        "knn",
        "KNN",
        "distance to the k-th neighbour",
        {
            "n_neighbors": _count(5),
            "method": Parameter("largest", choices=("largest", "mean", "median")),
        },
        refitted=True,
        rows=2_000,
    ),
    PyodDetector(
        "loda",
        "LODA",
        "histograms of random projections",
        {"n_bins": Parameter(10, low=2, high=10_000), "n_random_cuts": _count(100)},
        ("pyod.models.loda.LODA",),
    ),
    PyodDetector(
        "lof",
        "LOF",
        "local outlier factor",
        {"n_neighbors": _count(20)},
        refitted=True,
        rows=2_000,
    ),
    PyodDetector(
        "mcd",
        "MCD",
        "robust Mahalanobis distance",
        {},
        ("pyod.models.mcd.MCD", "sklearn.covariance._robust_covariance.MinCovDet"),
    ),
    PyodDetector(
        "pca",
        "PCA",
        "distance along principal components",
        {"n_components": Parameter(None, low=0, high=0.999999, above=True, whole=False)},
        (
            "pyod.models.pca.PCA",
            "sklearn.decomposition._pca.PCA",
            "sklearn.preprocessing._data.StandardScaler",
        ),
    ),
)
DETECTORS: dict[str, PyodDetector] = {each.name: each for each in _LIST}

_BESIDE = "it scores a row by the rows beside it, so a prediction would depend on the batch"
_SLOW = "each prediction takes time quadratic in the rows it was fitted to"
_OTHERS = "it is made of other detectors: name one of them"
_TORCH = "it needs torch, whose models are kept by pickles"
_UNKNOWN = "no check of its fitted state is known here, and it could be kept by pickles only"
REFUSED: dict[str, str] = {
    **dict.fromkeys(("ecod", "copod", "loci", "cof", "sos", "rod"), _BESIDE),
    **dict.fromkeys(("abod", "sod", "rgraph", "kpca", "lmdd"), _SLOW),
    **dict.fromkeys(("lscp", "suod", "feature_bagging"), _OTHERS),
    **dict.fromkeys(
        (
            "ae1svm", "alad", "anogan", "auto_encoder", "deep_svdd", "devnet", "dif", "lunar",
            "mo_gaal", "so_gaal", "vae",
        ),
        _TORCH,
    ),
    **dict.fromkeys(("cd", "hdbscan", "qmcd", "sampling"), _UNKNOWN),
    "iforest": "it is --model isolation-forest",
    "ocsvm": "it is --model one-class-svm",
    "mad": "it reads one column only",
    "xgbod": "it learns from labels: take --model xgboost",
}  # fmt: skip


def detector_of(name: str) -> PyodDetector:
    """The detector of this name, in capitals or not.

    Raises
    ------
    UsageError : there is none, or it cannot be kept or score new rows.
    """
    lower = name.lower()
    if lower in REFUSED:
        raise UsageError(
            f"the detector '{name}' cannot be used here: {REFUSED[lower]}",
            remedy=f"choose one of {', '.join(DETECTORS)}",
        )
    if lower not in DETECTORS:
        raise UsageError(
            f"there is no detector '{name}'", remedy=nearest(lower, [*DETECTORS, *REFUSED])
        )
    return DETECTORS[lower]
