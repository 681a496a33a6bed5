"""Models as they are used: a version with what it was trained on, its scores, and who is champion."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured, bounded
from xops.core.model.promotion import champion, manifest_of
from xops.core.model.training import TrainingRecord
from xops.core.profile.profiles import Profile
from xops.hooks import traced
from xops.hooks.models.model_files import PROFILE
from xops.hooks.models.promotion_log import PromotionLog
from xops.hooks.models.registry import MlflowHook
from xops.hooks.models.versions import MANIFEST

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from xops.core.model.model_file import ModelFile


@dataclass(frozen=True, slots=True)
class Trained:
    """A model version that TrainModelOperator registered.

    :param model: the registered model.
    :param version: its version.
    :param record: what it was trained on.
    :param manifest: SHA-256 digest of its files, as promoted or, before that, as logged.
    :param fitted: the loaded model; None when it was refused, which ``file`` says.
    :param file: what its files are; None where nobody asked.
    """

    model: str
    version: str
    record: TrainingRecord
    manifest: str
    fitted: Any
    file: ModelFile | None = None

    @property
    def name(self) -> str:
        """The name to quote: ``models:/model/version``."""
        return f"models:/{self.model}/{self.version}"

    def scores(self, frame: pd.DataFrame) -> NDArray[np.float64]:
        """Give the probability of the positive class, shape (rows,).

        :raises Misconfigured: when a column is missing, or the model gives something else than one number a row.
        """
        import numpy as np

        absent = [column for column in self.record.columns if column not in frame.columns]
        if absent:
            raise Misconfigured(f"{self.name} needs the columns {bounded(', '.join(absent))}, the rows lack them")
        if not hasattr(self.fitted, "predict_proba"):
            raise Misconfigured(
                f"{self.name} is a {type(self.fitted).__name__} without predict_proba; scores are probabilities of a "
                "classifier of two classes. Other models are judged by checks, with kind"
            )
        given = np.asarray(self.fitted.predict_proba(frame[list(self.record.columns)]), dtype=float)
        if given.shape != (len(frame), 2):
            raise Misconfigured(f"{self.name} gave shape {given.shape}; ({len(frame)}, 2) was wanted: two classes")
        scores: NDArray[np.float64] = given[:, 1]
        return scores


def champion_version(model: str) -> str | None:
    """Give the champion's version as the promotion log has it, or None while nothing was promoted."""
    return champion(PromotionLog(model).read())


def training_record(model: str, version: str, *, conn_id: str) -> TrainingRecord:
    """Give what a version was trained on.

    :raises Misconfigured: when there is no such version, or TrainModelOperator did not register it.
    """
    tags = MlflowHook(conn_id).version(model, version).tags
    return TrainingRecord.from_tags(tags, f"models:/{model}/{version}")


def load_version(model: str, version: str, *, conn_id: str) -> Trained:
    """Load a version after its files were compared with the manifest under which it was promoted, or else logged.

    :raises Misconfigured: when it does not exist, changed, or cannot be loaded safely.
    """
    hook, record, manifest = _known(model, version, conn_id)
    return Trained(model, version, record, manifest, hook.load(model, version, manifest=manifest))


def recorded_manifest(model: str, version: str, *, conn_id: str) -> str:
    """Give the digest of a version's files as promoted or, before that, as logged.

    :raises Misconfigured: when there is no such version, or TrainModelOperator did not register it.
    """
    return _known(model, version, conn_id)[2]


def training_profile(model: str, version: str, *, conn_id: str) -> Profile | None:
    """Give the profile of the rows that a version learned from, which its files hold.

    None for a version that was trained before profiles were kept there.

    :raises Misconfigured: when it does not exist or changed, or TrainModelOperator did not register it.
    """
    hook, _, manifest = _known(model, version, conn_id)
    with hook.recorded_files(model, version, manifest) as folder:
        path = folder / PROFILE
        return Profile.from_json(json.loads(path.read_bytes())) if path.is_file() else None


def inspect_version(model: str, version: str, *, conn_id: str) -> Trained:
    """Load a version's files as MLflow has them now, and say what they are; one that is refused has no model.

    :raises Misconfigured: when it does not exist, or TrainModelOperator did not register it.
    """
    hook, record, manifest = _known(model, version, conn_id)
    fitted, file = hook.inspected(model, version, manifest=manifest)
    return Trained(model, version, record, manifest, fitted, file)


def _known(model: str, version: str, conn_id: str) -> tuple[MlflowHook, TrainingRecord, str]:
    hook, name = MlflowHook(conn_id), f"models:/{model}/{version}"
    tags = hook.version(model, version).tags
    record = TrainingRecord.from_tags(tags, name)
    traced.read(traced.model_version(model, version, conn_id, record.columns))
    manifest = manifest_of(PromotionLog(model).read(), version) or tags.get(MANIFEST)
    if not manifest:
        raise Misconfigured(f"{name}: tag {MANIFEST} is missing, so nobody knows its files; train it again")
    return hook, record, manifest


def load_champion(model: str, *, conn_id: str = "mlflow_default") -> Trained:
    """Load the champion that the promotion log names; MLflow's alias is not asked.

    :raises Misconfigured: when nothing was promoted, or the champion cannot be loaded safely.
    """
    version = champion_version(model)
    if version is None:
        raise Misconfigured(f"{model} has no champion: nothing was promoted yet")
    return load_version(model, version, conn_id=conn_id)
