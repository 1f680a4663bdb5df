"""Hears in a session's audio where speech starts and where a turn ends."""
