"""Many streams into one: who is read from, for how long, and whose turn it is."""
