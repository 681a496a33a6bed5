"""Test suites: from the JSON that Great Expectations writes to what is measured, and back to its results."""
