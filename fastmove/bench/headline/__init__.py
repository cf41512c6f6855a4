"""The headline: damage against units per hour, of fingers and a cup, by three ways to plan, in physics."""
