"""Long streams are folded beside the appends: piece by piece, so that no delivery waits for another stream."""
