"""Files, opened and read in batches."""
