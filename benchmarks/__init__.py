"""How fast Headrace is, beside a plain NumPy loop and beside its peers: see README.md."""
