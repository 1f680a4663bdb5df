"""Makes the clips of this folder from text: a maintainer's tool, never needed to run rtbench."""
