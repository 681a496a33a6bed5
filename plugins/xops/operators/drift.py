"""Batches compared with what the champion learned from, or with others: how far they moved."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.verdict import Outcome
from xops.operators.base import CheckOperator, GateName, Judged, champion_or_skip, origin_of, published_or_refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from xops.core.drift.judge import Drift, DriftRules
    from xops.core.drift.separation import Separation
    from xops.core.profile.profiles import Profile
    from xops.core.verdict import Verdict
    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.store.evidence import EvidenceStore
    from xops.hooks.store.profiles import ProfileStore, Side


_CHAMPION = re.compile(r"models:/([^@/]+)@champion")


class DriftCheckOperator(CheckOperator):
    """Compare batches of a table with what a champion learned from, or with any other batches of it.

    Every column asked for has a finding. Both sides are profiled, and the profiles are kept: no batch is scanned twice
    by the same bins, and a window is merged from the profiles of its batches without reading those that have one. What
    a champion learned from is not read at all: its version holds the profile, made when it was trained.
    A column of long texts, or of lists of numbers, is compared by a classifier on a sample of its rows instead.
    Evidently's report is drawn of what does not pass.

    :param features: Iceberg table whose batches are compared.
    :param model: the registered model; its champion's training data are the reference, and the task is skipped while
        there is none. Empty to name the reference yourself.
    :param reference: without a model: a batch's name, a list of them, a version such as ``nyc.flights@closed``, or a
        window such as ``window("30 days")``, which ends before the current batches; or ``models:/name@champion`` for a
        model (templated).
    :param current: the same for the current side; the newest published batch when empty (templated).
    :param columns: those to compare; all that the champion learned from, or that either side has, when empty.
    :param max_share: share of drifted columns at which the verdict is ``fail``, in (0, 1].
    :param min_rows: with fewer rows on a side nothing is measured.
    :param rules: arguments of :class:`~xops.core.drift.judge.DriftRules`: methods and limits by column and by kind,
        sample-size guard.
    :param raw_values: whether the findings may name categories and the ends of ranges. The report does in any case.
    :param always_report: whether the report is drawn of what passes as well.
    :param workspace: an Evidently workspace in which every report is kept too, drawn of what passes as well: a folder,
        or the URL of Evidently's service; ``[xops] evidently_workspace`` when empty.
    :param mlflow_conn_id: connection of MLflow.
    :param iceberg_conn_id: connection of the catalog.
    :param gate: see :class:`~xops.operators.base.CheckOperator`; ``record`` by default.
    :returns: the evidence, with the id of the report where there is one.
    """

    default_gate: GateName = "record"
    template_fields = ("reference", "current")

    def __init__(
        self,
        *,
        features: str,
        model: str = "",
        reference: Any = None,
        current: Any = None,
        columns: Sequence[str] = (),
        max_share: float = 0.5,
        min_rows: int = 500,
        rules: Mapping[str, Any] | None = None,
        raw_values: bool = False,
        always_report: bool = False,
        workspace: str = "",
        mlflow_conn_id: str = "mlflow_default",
        iceberg_conn_id: str = "iceberg_default",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.features = features
        self.model = model
        self.reference = reference
        self.current = current
        self.columns = columns
        self.max_share = max_share
        self.min_rows = min_rows
        self.rules = rules
        self.raw_values = raw_values
        self.always_report = always_report
        self.workspace = workspace
        self.mlflow_conn_id = mlflow_conn_id
        self.iceberg_conn_id = iceberg_conn_id

    def judge(self, context: Context, store: EvidenceStore) -> Judged:
        """Profile both sides, or find their profiles; measure, judge, and draw what does not pass."""
        from xops.core.drift.judge import DriftRules, compare
        from xops.core.drift.separation import separated
        from xops.core.model.judges import judge_drift
        from xops.hooks.drift_sides import side_of
        from xops.hooks.iceberg.tables import IcebergHook
        from xops.hooks.store.profiles import ProfileStore

        rules, lake = DriftRules.given(self.rules), IcebergHook(self.iceberg_conn_id)
        model = self._model()
        reference, learned, columns, facts = self._reference(lake, ProfileStore(store.objects), model)
        current = side_of(lake, self.features, self.current)
        if reference is None:
            before = current.batches[0] if current.batches else ""
            reference = side_of(lake, self.features, self.reference, before=before)
        old, new = ProfileStore(store.objects).both(lake, reference, current, columns, learned=learned)
        asked = columns or list(dict.fromkeys(column.spec.name for column in (*old.columns, *new.columns)))
        drift = compare(old, new, asked, rules, raw_values=self.raw_values)
        drift = separated(drift, self._told_apart(lake, (reference, old), (current, new), rules, asked), rules)
        verdict = judge_drift(
            asked,
            drift.found,
            drift.missing,
            subject=f"{self.features}/{current.span}",
            max_share=self.max_share,
            sizes=(old.rows, new.rows),
            min_rows=self.min_rows,
            chance=drift.chance,
            moves=drift.moves,
            shares=drift.shares,
            undecided=drift.undecided,
            facts=facts
            | {
                "batch": current.batches[-1] if current.batches else "",
                "reference": reference.version.name,
                "reference_batches": reference.batches,
                "reference_profile": old.digest,
                "current": current.version.name,
                "current_batches": current.batches,
                "current_profile": new.digest,
                "moved": drift.movements,
            },
        )
        about = model or self.features
        html = self._draw(verdict, old, new, drift, about=about, key=origin_of(context).key)
        return Judged(verdict, about, current.batches[-1] if current.batches else "", html)

    def _told_apart(
        self,
        lake: IcebergHook,
        reference: tuple[Side, Profile],
        current: tuple[Side, Profile],
        rules: DriftRules,
        columns: Sequence[str],
    ) -> dict[str, tuple[str, Separation | str]]:
        """Have classifiers tell the texts and embeddings of the two sides apart; of other columns no row is read."""
        from xops.core.drift.separation import sort_of

        told: dict[str, tuple[str, Separation | str]] = {}
        for name in columns:
            old, new = reference[1].column(name), current[1].column(name)
            sort = sort_of(old) if old and new and new.spec.type == old.spec.type else ""
            if not sort or name in rules.methods or min(reference[1].rows, current[1].rows) < self.min_rows:
                continue
            from xops.checks.two_sample import tell_apart

            sides = (
                lake.stream(side.version, columns=[name], batches=side.batches) for side, _ in (reference, current)
            )
            told[name] = (
                sort,
                tell_apart(*((piece.column(0) for piece in rows.batches([name])) for rows in sides), sort),
            )
        return told

    def _draw(
        self, verdict: Verdict, reference: Profile, current: Profile, drift: Drift, *, about: str, key: str
    ) -> bytes | None:
        """Draw Evidently's report where it is wanted, and keep it in the workspace where there is one."""
        from xops.hooks.settings import evidently_workspace

        workspace = self.workspace or evidently_workspace()
        if verdict.outcome is Outcome.PASS and not (self.always_report or workspace):
            return None
        from xops.checks.drift_report import page, snapshot

        facts = {"outcome": str(verdict.outcome), "reference": str(verdict.facts["reference"])}
        drawn = snapshot(reference, current, drift, max_share=self.max_share, name=verdict.subject, facts=facts)
        if drawn is None:
            return None
        if workspace:
            from xops.hooks.evidently_workspace import keep

            keep(drawn, project=about, workspace=workspace, key=key)
        return page(drawn) if self.always_report or verdict.outcome is not Outcome.PASS else None

    def _model(self) -> str:
        """Give the registered model whose champion is the reference; empty for another reference."""
        named = _CHAMPION.fullmatch(self.reference) if isinstance(self.reference, str) else None
        if bool(self.model) == bool(self.reference):
            raise Misconfigured(f"{self.task_id}: a model or a reference was wanted, and not both")
        return named[1] if named else self.model

    def _reference(
        self, lake: IcebergHook, profiles: ProfileStore, model: str
    ) -> tuple[Side | None, Profile | None, list[str], dict[str, Any]]:
        """Give the champion's training data with their profile, the columns to compare, and the champion, if any."""
        from xops.hooks.drift_sides import trained_on
        from xops.hooks.models.champions import recorded_manifest, training_profile, training_record

        if not model:
            return None, None, list(self.columns), {}
        version = champion_or_skip(model)
        record = training_record(model, version, conn_id=self.mlflow_conn_id)
        published_or_refuse(lake, self.features)
        columns, conn_id = list(self.columns or record.columns), self.mlflow_conn_id
        learned = None
        if set(columns) <= set(record.columns):
            manifest = recorded_manifest(model, version, conn_id=conn_id)
            learned = profiles.learned(manifest, lambda: training_profile(model, version, conn_id=conn_id))
        return trained_on(record), learned, columns, {"model_version": version}
