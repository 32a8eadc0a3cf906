"""A deterministic simulation of the whole relay: the real functions, everything else simulated, one seed."""
