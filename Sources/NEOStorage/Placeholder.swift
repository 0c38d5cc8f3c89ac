// The first file of NEOStorage replaces this one.
