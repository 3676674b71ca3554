"""Everything that asks others: the handlers of sources, inline and relayed, and the providers' own APIs."""
