"""Batch benchmarks: read problem sets, run planners over them, keep every result."""

VARIANT_NAMES = ("as-is", "symmetric", "carried", "backwards")  # of MotionBenchMaker sets (see `variants`)
