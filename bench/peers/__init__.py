"""What Hookfold is held against."""
