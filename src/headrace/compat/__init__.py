"""Other libraries' names on this engine, for moving over with one changed import."""
