"""What every kind of dataset offers for write-audit-publish, and the kinds beside Iceberg."""
