"""Optimisation of one motion: transcription, convex subproblems, merit function and SQP loop."""
