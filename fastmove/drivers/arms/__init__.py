"""Real arms through their makers' own clients, each in a process of its own."""
