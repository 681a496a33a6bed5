"""Iceberg tables: read, written, versioned and let expire."""
