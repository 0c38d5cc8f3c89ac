// The first file of NEOAdmin replaces this one.
