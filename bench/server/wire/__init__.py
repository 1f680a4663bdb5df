"""Turns bytes of a socket into requests and messages, and answers into bytes; it opens none."""
