"""Batch benchmarks: read sets of problems, run planners over them, and keep every result."""

VARIANT_NAMES = ("as-is", "symmetric", "carried", "backwards")  # Names of the variants of a problem set (see `bench.variants`).
