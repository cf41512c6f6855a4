"""Hardware, real or simulated, behind one small interface."""
