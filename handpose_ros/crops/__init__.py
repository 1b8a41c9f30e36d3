"""What a network sees of an image: crops, where they are aimed, and which squares are searched."""
