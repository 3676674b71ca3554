"""The benchmarks: every figure against a reference that was measured in the same run."""
