"""Pick cycles: the ways of the empty hand, the fingers, the transfer between them, and shifts of many."""
