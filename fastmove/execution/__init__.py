"""Execution of planned motions: streaming to a driver, running in physics, and judging whether the item slips."""
