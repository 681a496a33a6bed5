"""Where a model card answers what the EU AI Act asks of technical documentation, and where it does not.

Source: Regulation (EU) 2024/1689, Articles 9 to 15 and Annex IV. That something is answered says that there is an
answer, not that it is enough: people judge that.
"""

from __future__ import annotations

from collections.abc import Collection

_SECTIONS = {
    "record": "Training data",
    "evidence": "Quantitative analyses",
    "robustness": "Quantitative analyses (robustness)",
    "log": "Promotion history",
    "approval": "Approvals",
}

# each point of the act, what it asks for, and what has to be there to answer it
_POINTS = (
    ("Article 9", "risk management system", ("risk_management",)),
    ("Article 10", "data and data governance", ("record", "evaluation_data", "training_data")),
    ("Article 11", "technical documentation", ("intended_use", "record", "evidence")),
    ("Article 12", "record-keeping", ("log", "evidence")),
    ("Article 13", "information for deployers", ("intended_use", "caveats_and_recommendations")),
    ("Article 14", "human oversight", ("human_oversight", "approval")),
    ("Article 15", "accuracy, robustness and cybersecurity", ("evidence", "robustness", "cybersecurity")),
    ("Annex IV, 1", "general description, intended purpose", ("model_details", "intended_use")),
    ("Annex IV, 2 (a)", "methods and steps of development", ("record", "model_details")),
    ("Annex IV, 2 (b)", "design specifications and their reasons", ("model_details",)),
    ("Annex IV, 2 (c)", "system architecture and computing resources", ("model_details",)),
    ("Annex IV, 2 (d)", "data: provenance, scope, selection, labelling", ("record", "training_data")),
    ("Annex IV, 2 (e)", "assessment of human oversight", ("human_oversight",)),
    ("Annex IV, 2 (f)", "pre-determined changes", ("planned_changes",)),
    ("Annex IV, 2 (g)", "validation and testing, metrics, logs", ("evidence", "evaluation_data")),
    ("Annex IV, 2 (h)", "cybersecurity", ("cybersecurity",)),
    ("Annex IV, 3", "capabilities and limits, accuracy for groups", ("evidence", "caveats_and_recommendations")),
    ("Annex IV, 4", "why the metrics are appropriate", ("metrics",)),
    ("Annex IV, 5", "risk management system", ("risk_management",)),
    ("Annex IV, 6", "changes through the lifecycle", ("log",)),
    ("Annex IV, 7", "harmonised standards applied", ("standards",)),
    ("Annex IV, 8", "EU declaration of conformity", ("declaration_of_conformity",)),
    ("Annex IV, 9", "post-market monitoring plan", ("monitoring_plan",)),
)


def answers(there: Collection[str]) -> list[tuple[str, str, str]]:
    """Give each point, what it asks for, and where it is answered: wholly, in part, or not.

    :param there: the fields that people wrote, and of what was recorded ``record`` (of the training), ``evidence``
        (measured findings), ``robustness``, ``log`` (of promotions) and ``approval`` (a person's).
    """
    return [(point, asks, _answer(wanted, there)) for point, asks, wanted in _POINTS]


def _answer(wanted: Collection[str], there: Collection[str]) -> str:
    found = [_section(name) for name in wanted if name in there]
    missing = [_section(name) for name in wanted if name not in there]
    if not found:
        return "not answered"
    return ", ".join(found) if not missing else f"in part: {', '.join(found)}; missing: {', '.join(missing)}"


def _section(name: str) -> str:
    return _SECTIONS.get(name) or name.replace("_", " ").capitalize()
