"""numpy, loaded by whoever first computes: a DAG file, which names checks and their limits, is parsed without it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

__all__ = ["np"]

if TYPE_CHECKING:
    import numpy as np
else:

    class _Numpy:
        """What numpy has, by the same names."""

        def __getattr__(self, name: str) -> object:
            found = getattr(import_module("numpy"), name)
            setattr(self, name, found)  # is not asked for here again
            return found

    np = _Numpy()
