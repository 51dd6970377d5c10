"""The command `lantern-jit`."""
