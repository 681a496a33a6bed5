"""Tables of a database, scanned where they are by one SELECT."""
