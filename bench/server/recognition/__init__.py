"""Which utterance of the catalogue a caller said, told by its sound alone."""
