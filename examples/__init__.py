"""Short programs that stand by themselves. Installed as `lantern_jit.examples`: the demonstration builds on them."""
