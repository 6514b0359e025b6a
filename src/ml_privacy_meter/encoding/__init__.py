"""Training data hidden in a model by who trained it: ways to hide them, what detects these, and what removes them."""
