"""The run folder: the one record that everything downstream reads."""
