"""Turns a run's record into turns, metrics, statistics and a verdict on the run. Pure."""
