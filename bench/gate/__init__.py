"""Run folders → verdicts: what CI asks of a run."""
