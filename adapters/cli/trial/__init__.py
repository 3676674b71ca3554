"""Commands that try Hookfold out: demo and simulated traffic, a live tail."""
