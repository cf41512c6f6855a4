"""Batch benchmarks: read problem sets, run planners over them, keep every result."""
