"""What is done with versions that are there: listed, tagged, compared, made of each other, copied, and cleared away."""
