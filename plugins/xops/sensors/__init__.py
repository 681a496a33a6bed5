"""Sensors: tasks that wait for a version, for fresh data, or for a new champion."""
