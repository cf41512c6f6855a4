"""Execution: a planned motion streamed to a driver, run in physics, and judged."""
