"""Will a flight arrive more than 15 minutes late? Plain scikit-learn: it runs in a notebook as well."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

TARGET = "late"
PLACES = ("carrier", "origin", "dest")
SCHEDULE = ("weekday", "sched_dep", "sched_arr", "distance")
WEATHER = ("temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib")
NUMBERS = (*SCHEDULE, *WEATHER)
FEATURES = (*PLACES, *NUMBERS)
RISING = ("precip", "wind_gust")  # all else equal, more of these never makes a delay less likely
FALLING = ("visib",)


def fit(frame: pd.DataFrame, params: Mapping[str, Any]) -> Any:
    """Fit gradient-boosted trees that hold to what is known of the weather.

    :param frame: the columns :data:`FEATURES` and :data:`TARGET`.
    :param params: ``max_iter``, ``learning_rate`` and ``seed``; ``shuffle_labels`` true gives a model that has
        learned nothing, to see it refused.
    """
    import numpy as np
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OrdinalEncoder

    seed = int(params.get("seed", 0))
    late = frame[TARGET].to_numpy()
    if params.get("shuffle_labels"):
        late = np.random.default_rng(seed).permutation(late)
    signs = dict.fromkeys(RISING, 1) | dict.fromkeys(FALLING, -1)
    places = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)
    trees = HistGradientBoostingClassifier(
        max_iter=int(params.get("max_iter", 150)),
        learning_rate=float(params.get("learning_rate", 0.08)),
        monotonic_cst=[signs.get(name, 0) for name in FEATURES],
        random_state=seed,
    )
    columns = make_column_transformer((places, list(PLACES)), ("passthrough", list(NUMBERS)))
    return make_pipeline(columns, trees).fit(frame[list(FEATURES)], late)


def fit_boosted(frame: pd.DataFrame, params: Mapping[str, Any]) -> Any:
    """Fit LightGBM's trees on numbers alone.

    :param frame: the columns :data:`NUMBERS` and :data:`TARGET`.
    :param params: ``num_leaves``, ``learning_rate``, ``min_child_samples`` and ``seed``.
    """
    from lightgbm import LGBMClassifier

    trees = LGBMClassifier(
        n_estimators=80,
        num_leaves=int(params["num_leaves"]),
        learning_rate=float(params["learning_rate"]),
        min_child_samples=int(params["min_child_samples"]),
        random_state=int(params.get("seed", 0)),
        deterministic=True,
        force_row_wise=True,
        n_jobs=1,
        verbose=-1,
    )
    return trees.fit(frame[list(NUMBERS)], frame[TARGET])
