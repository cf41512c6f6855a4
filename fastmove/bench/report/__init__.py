"""The report of a bench: its sections, what they say, their charts and the page."""
