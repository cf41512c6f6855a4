"""The bench of what happens in flight: stops, speeds, interruptions, faults and the loop itself (`fastmove bench flight`)."""
