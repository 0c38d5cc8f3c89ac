"""NEO: a distributed and redundant storage for ZODB."""
