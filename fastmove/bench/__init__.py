"""Batch benchmarks: read sets of problems, run planners over them, keep every result, compare and report."""

VARIANT_NAMES = ("as-is", "symmetric", "carried", "backwards")  # Names of the variants of a problem set (see `bench.variants`).
OWN_WORDS = ("flight", "headline", "compare", "merge", "report", "sets")  # First words of `fastmove bench` that are no sets.
