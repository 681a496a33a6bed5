"""Every verdict that was ever given, kept for good, with its report beside it."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from xops.core.errors import Misconfigured
from xops.core.evidence import Evidence, Origin, digest, folder, slug
from xops.hooks.store.objects import Objects

if TYPE_CHECKING:
    from collections.abc import Mapping

    from xops.core.verdict import Verdict


class EvidenceStore:
    """Verdicts by kind of check, what they are about, and batch.

    :param objects: where they lie; the configured store when None.
    """

    def __init__(self, objects: Objects | None = None) -> None:
        self.objects = objects or Objects.configured()

    def record(
        self, verdict: Verdict, *, origin: Origin, about: str, batch: str = "", html: bytes | None = None
    ) -> Evidence:
        """Keep a verdict, and its HTML report if there is one; a retried task rewrites its own.

        The report is written first: evidence never names a report that is not there.

        :param about: the dataset or model under which a policy looks for it.
        """
        evidence = Evidence(verdict, about, batch, origin, now())
        if html is not None:
            evidence = Evidence(verdict, about, batch, origin, evidence.recorded_at, report=evidence.id)
            self.objects.put(f"reports/{evidence.id}.html", html)
            self.objects.put_json(f"reports/{evidence.id}.json", {"dag_id": origin.dag_id, "path": evidence.path})
        self.objects.put_json(evidence.path, evidence.to_json())
        return evidence

    def about(self, check: str, about: str, batch: str | None = None) -> list[Evidence]:
        """Give the evidence of one kind of check about a dataset or model, oldest first.

        :param batch: only that batch's; None for every batch's.
        """
        prefix = folder(check, about) + (f"{slug(batch)}/" if batch else "")
        found = [Evidence.from_json(document) for document in self.objects.all_json(prefix)]
        return sorted(found, key=lambda evidence: (evidence.recorded_at, evidence.id))

    def latest(self, check: str, about: str, batch: str) -> Evidence | None:
        """Give the newest evidence of one kind of check about a batch, or None."""
        found = self.about(check, about, batch)
        return found[-1] if found else None

    def of(self, about: str, batch: str) -> list[Evidence]:
        """Give the evidence of every kind of check about a batch of a dataset, or a model version, oldest first."""
        checks = self.objects.folders("evidence/")
        found = [evidence for check in checks for evidence in self.about(check, about, batch)]
        return sorted(found, key=lambda evidence: (evidence.recorded_at, evidence.id))

    def keep(self, evidence: Evidence, source: EvidenceStore) -> None:
        """Keep evidence that another store has, with its report; what is there already is written again, alike."""
        if evidence.report and source.objects.url != self.objects.url:
            for path in (f"reports/{evidence.report}.html", f"reports/{evidence.report}.json"):
                content = source.objects.get(path)
                if content is not None:
                    self.objects.put(path, content)
        self.objects.put_json(evidence.path, evidence.to_json())

    def keep_suite(self, suite: Mapping[str, Any]) -> str:
        """Keep a suite as it was used, and give its digest: 64 hexadecimal digits."""
        name = digest(suite)
        self.objects.create_json(f"suites/{name}.json", suite)
        return name

    def suite(self, name: str) -> dict[str, Any]:
        """Give a suite that was kept, by its digest.

        It is trusted no more, whatever it says of itself: only a suite that is read from its file may have code in it.

        :raises Misconfigured: when there is none.
        """
        found = self.objects.get_json(f"suites/{name}.json") if set(name) <= set("0123456789abcdef") else None
        if found is None:
            raise Misconfigured(f"suite {name:.80}: no suite of this digest was kept")
        return {**found, "meta": {}}

    def report(self, report: str) -> tuple[str, bytes] | None:
        """Give the id of the DAG that made a report, and its HTML; None when there is no such report.

        :param report: its id: 32 hexadecimal digits. Anything else is no report.
        """
        if len(report) != 32 or not set(report) <= set("0123456789abcdef"):  # noqa: PLR2004 - Evidence.id
            return None
        about = self.objects.get_json(f"reports/{report}.json")
        html = self.objects.get(f"reports/{report}.html")
        return None if about is None or html is None else (about["dag_id"], html)


def now() -> str:
    """Give this moment, UTC, ISO 8601."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
