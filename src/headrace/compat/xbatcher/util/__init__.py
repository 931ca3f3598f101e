"""What is printed for a report of a fault."""
