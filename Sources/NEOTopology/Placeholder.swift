// The first file of NEOTopology replaces this one.
