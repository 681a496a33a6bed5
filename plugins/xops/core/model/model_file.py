"""What is known of a model version's files before, and instead of, trusting them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model directory as it was found.

    :param form: the file that the model itself is in, such as ``model.skops``; empty when it is in none that loads
        without running code.
    :param size: bytes of all its files.
    :param manifest: SHA-256 digest of its files.
    :param recorded: the digest that was recorded for it.
    :param requirements: the lines of its requirements.
    :param refused: why it was not loaded; empty when it was.
    """

    form: str
    size: int
    manifest: str
    recorded: str
    requirements: tuple[str, ...]
    refused: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give it as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> ModelFile:
        """Read what :meth:`to_json` wrote."""
        return cls(**{**document, "requirements": tuple(document["requirements"])})
