"""How fast, in how much memory, with how many requests: `polyledger bench`."""
