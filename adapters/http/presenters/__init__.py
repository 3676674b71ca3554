"""Turns rows and folds into the shapes that views share."""
