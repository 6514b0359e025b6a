"""Can the model itself be copied? The game, its view, one attack a file."""
