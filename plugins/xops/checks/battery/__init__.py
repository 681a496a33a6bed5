"""The battery: what a candidate has to pass before it may be champion."""
