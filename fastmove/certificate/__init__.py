"""The certificate: every limit of a motion recomputed by code that shares only nouns and multibody with the planner."""
