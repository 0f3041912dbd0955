"""polyledger's loaders: fetch what Goldsky's Polymarket subgraphs serve, check it, land it in ClickHouse."""

__version__ = "0.1.0"
