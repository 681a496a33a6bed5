"""Thin shells around the rest: render, read, judge, record, decide."""
