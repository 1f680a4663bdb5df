"""Recorded speech, its labels, and the frames a live microphone would send."""
