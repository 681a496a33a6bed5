"""Judges that need a field library: Great Expectations, Evidently."""
