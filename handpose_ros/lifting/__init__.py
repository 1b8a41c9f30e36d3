"""From what a network saw of a hand to metres, and how far these are off."""
