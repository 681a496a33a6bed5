"""Where data is scanned."""
