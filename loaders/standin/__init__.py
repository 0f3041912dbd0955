"""A stand-in for Goldsky's Polymarket subgraphs, for the demo and the tests."""
