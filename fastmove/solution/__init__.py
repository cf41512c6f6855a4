"""What a plan comes to: status, motion, certificate, and the words for it."""
