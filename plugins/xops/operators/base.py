"""What every operator shares: its errors, its origin, and for checks the gate."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from xops.core.dataset.lineage import Touched, Trace, quality_summary
from xops.core.errors import Misconfigured, Refused, bounded
from xops.core.evidence import Evidence, Origin
from xops.core.verdict import Verdict, worst
from xops.hooks import traced
from xops.hooks.lineage_events import collect, operator_lineage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from xops.core.dataset.versions import DataVersion
    from xops.hooks.iceberg.tables import IcebergHook
    from xops.hooks.store.evidence import EvidenceStore

GateName = Literal["fail", "skip", "record"]


class XopsOperator(BaseOperator):
    """An operator whose mistakes fail at once and whose services are retried.

    :raises AirflowFailException: for :class:`~xops.core.errors.Misconfigured`, and for ``sys.exit()`` in a user's code:
        a retry would not mend it. :class:`~xops.core.errors.Unavailable` passes through, and Airflow retries the task.
    """

    _trace: Trace = Trace()  # of this run; empty while there is none

    def execute(self, context: Context) -> Any:
        """Do the work."""
        with traced.tracing() as self._trace:
            try:
                return self.act(context)
            except Misconfigured as error:
                raise AirflowFailException(f"{type(self).__name__} {self.task_id}: {error}") from error
            except SystemExit as error:
                why = f"code that it called wanted to end the process: {error!r:.200}"
                raise AirflowFailException(f"{type(self).__name__} {self.task_id}: {why}") from error
            finally:
                collect(self._trace, self)

    def get_openlineage_facets_on_complete(self, task_instance: Any) -> Any:  # noqa: ARG002 - the provider's signature
        """Give what the task read, wrote and found to Airflow's OpenLineage provider, in the task's own process."""
        return operator_lineage(self._trace)

    def get_openlineage_facets_on_failure(self, task_instance: Any) -> Any:
        """Give what the task had read, written and found when it failed."""
        return self.get_openlineage_facets_on_complete(task_instance)

    @abstractmethod
    def act(self, context: Context) -> Any:
        """Do what the operator is for; give plain JSON for XCom."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a check found, and how it is to be filed.

    :param verdict: the answer.
    :param about: the dataset or model it is filed under.
    :param batch: the batch it is filed under; empty for none.
    :param html: a report for people.
    """

    verdict: Verdict
    about: str
    batch: str = ""
    html: bytes | None = None


class ReportLink(BaseOperatorLink):
    """The button in Airflow's UI that opens the report of a check, when it has made one."""

    name = "Report"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:  # noqa: ARG002 - Airflow's signature
        """Give the report's address; empty when there is none. Airflow asks in the task's own process."""
        from airflow.sdk import conf

        report = getattr(operator, "report", None)
        return f"{conf.get('api', 'base_url', fallback='').rstrip('/')}/xops/reports/{report}" if report else ""


class GatedOperator(XopsOperator):
    """An operator that records a verdict as evidence, and then opens or closes its gate.

    The verdict is pushed to XCom before the gate acts, so a task downstream that runs all the same can read it.

    :param gate: what happens when the verdict does not pass (``fail`` or ``unknown``): ``fail`` the task without
        retry, ``skip`` it and what follows, or ``record`` only.
    """

    default_gate: GateName = "fail"
    operator_extra_links = (ReportLink(),)
    report: str | None = None  # the report of this run, for its link

    def __init__(self, *, gate: GateName | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.gate = gate or self.default_gate
        if self.gate not in ("fail", "skip", "record"):
            raise Misconfigured(f"gate of {self.task_id}: fail, skip or record was wanted, found {self.gate!r}")

    def decide(self, context: Context, store: EvidenceStore, judged: Judged) -> dict[str, Any]:
        """Record what was found, then open or close the gate."""
        origin = origin_of(context)
        evidence = store.record(judged.verdict, origin=origin, about=judged.about, batch=judged.batch, html=judged.html)
        self.report = evidence.report
        self.log.info("%s", judged.verdict)
        answer = evidence.to_json()
        traced.judged(judged.verdict)
        for outlet in self.outlets:
            context["outlet_events"][outlet].extra.update(
                quality(context, [(evidence.id, judged.verdict)], judged.about)
            )
        context["ti"].xcom_push(key="return_value", value=answer)
        if judged.verdict.outcome.passes or self.gate == "record":
            return answer
        if self.gate == "skip":
            raise AirflowSkipException(str(judged.verdict))
        raise AirflowFailException(str(judged.verdict))


class CheckOperator(GatedOperator):
    """An operator that judges by itself, and goes on as :class:`GatedOperator` does."""

    def act(self, context: Context) -> dict[str, Any]:
        """Judge, record, decide."""
        from xops.hooks.store.evidence import EvidenceStore

        store = EvidenceStore()
        return self.decide(context, store, self.judge(context, store))

    @abstractmethod
    def judge(self, context: Context, store: EvidenceStore) -> Judged:
        """Read and judge; record nothing."""


def origin_of(context: Context) -> Origin:
    """Give the task that runs, in the terms that are equal for each of its attempts."""
    ti = context["ti"]
    return Origin(ti.dag_id, ti.run_id, ti.task_id, -1 if ti.map_index is None else ti.map_index)


def verdicts_of(values: Sequence[Mapping[str, Any] | None]) -> list[tuple[str, Verdict]]:
    """Give id and verdict of each piece of evidence that came by XCom; a task that died left None.

    :raises Refused: when a check left none: what was not measured does not pass.
    :raises Misconfigured: when something is no evidence, or says another outcome than its findings.
    """
    if not isinstance(values, (list, tuple)):
        raise Misconfigured(
            f"a list of evidence was wanted, one for each check, found {type(values).__name__}: of a mapped task the "
            "instances that left none would be missing without a word; list the checks one by one"
        )
    if None in values:
        raise Refused(f"check {values.index(None) + 1} of {len(values)} left no verdict; what was not measured blocks")
    try:
        evidence = [Evidence.from_json(value) for value in values]
    except (KeyError, TypeError, ValueError) as error:
        raise Misconfigured(f"evidence was wanted, as check operators return it: {bounded(repr(error))}") from error
    for item in evidence:
        traced.judged(item.verdict)
    return [(item.id, item.verdict) for item in evidence]


def quality(context: Context, judged: Sequence[tuple[str, Verdict]], about: str) -> dict[str, Any]:
    """Give what an asset event carries of verdicts: the worst outcome, the evidence, and the summary of Airflow's kind.

    :param judged: id and verdict of each piece of evidence.
    :param about: the dataset or model.
    """
    verdicts = [verdict for _, verdict in judged]
    suites = {str(verdict.facts.get("suite", verdict.check)) for verdict in verdicts}
    summary = quality_summary(verdicts, run=origin_of(context).key, suite=", ".join(sorted(suites)), table=about)
    return {
        "verdict": str(worst(verdict.outcome for verdict in verdicts)),
        "evidence": [identity for identity, _ in judged],
        "airflow.dataquality.result": summary,
    }


def announce(context: Context, outlets: Sequence[Any], extra: Mapping[str, Any]) -> None:
    """Put ``extra`` on the asset event of every outlet of the task."""
    for outlet in outlets:
        context["outlet_events"][outlet].extra = dict(extra)


def champion_or_skip(model: str) -> str:
    """Give the champion's version, or skip the task while nothing was promoted."""
    from xops.hooks.models.champions import champion_version

    version = champion_version(model)
    if version is None:
        raise AirflowSkipException(f"{model} has no champion yet, so there is nothing to watch")
    return version


def published_or_refuse(lake: IcebergHook, table: str) -> DataVersion:
    """Give the version that readers of a table see.

    :raises Misconfigured: while nothing was published.
    """
    version = lake.published(table)
    if version is None:
        raise Misconfigured(f"{table}: nothing was published; publish a batch first")
    traced.read(Touched(lake.place(table), version.snapshot))
    return version
