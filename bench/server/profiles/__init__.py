"""Says how the embedded server behaves: its delays, delivery, capacity and faults, from a seed."""
