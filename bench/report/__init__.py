"""A run folder as a page for people and a table for a terminal."""
