"""The constraints of a subproblem, a file for each."""
