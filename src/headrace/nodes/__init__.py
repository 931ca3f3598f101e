"""The random-access layer's tree: what gives records at addresses, one file an idea."""
