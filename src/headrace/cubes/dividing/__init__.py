"""Parts of a cube that share no element."""
