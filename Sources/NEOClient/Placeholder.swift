// The first file of NEOClient replaces this one.
