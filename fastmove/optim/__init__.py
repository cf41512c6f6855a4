"""Optimising one motion: transcription, convex subproblems, merit, SQP."""
