"""What programs need of memory, and programs that need no more than a budget."""
