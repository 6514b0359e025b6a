"""What is the hidden column of a record? The game, its view, one attack a file."""
