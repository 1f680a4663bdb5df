"""The Locust edge: the only package that imports locust and gevent.

A scenario imports `RealtimeUser` from `bench.load.users` and nothing else of rtbench.
"""
