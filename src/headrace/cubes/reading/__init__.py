"""What a user hands over, as a cube: where its variables lie, and how their chunks are read."""
