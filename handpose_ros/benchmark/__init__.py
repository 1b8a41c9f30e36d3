"""How fast all of it is, and official MediaPipe beside it."""
