"""What waits in the triggerer: it asks again and again, never blocks its event loop, and survives a restart."""
