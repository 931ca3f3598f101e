"""Parts on their way: to a remote place, from there into a folder or into memory; every byte is checked."""
