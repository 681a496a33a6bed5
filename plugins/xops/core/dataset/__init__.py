"""Datasets and their versions: named, written, compared, watched, traced and let go."""
