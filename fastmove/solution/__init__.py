"""Solution of a transfer problem: status, motion, certificate, and the text and JSON that describe it."""
