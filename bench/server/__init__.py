"""The embedded Realtime server: an instrument whose delays are known and written down."""
