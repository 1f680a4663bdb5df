"""The gate's promises on a few of the benchmark's runs; the rest take minutes."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

from tests.benchmarks.verify_gate import verify


def test_the_gate_keeps_its_promises():
    with threadpool_limits(1):
        broken = [line for line, kept in verify(share=0.05) if not kept]
    assert not broken
