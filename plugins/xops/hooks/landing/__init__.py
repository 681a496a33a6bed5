"""Where batches come from: files, queries, functions."""
