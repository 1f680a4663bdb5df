"""Turns the retired beta dialect into the one the server speaks, and its answers back."""
