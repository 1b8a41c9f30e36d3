"""Which hand is which from image to image."""
