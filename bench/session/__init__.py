"""One virtual caller's session: pre-built frames out on schedule, stamped events back."""
