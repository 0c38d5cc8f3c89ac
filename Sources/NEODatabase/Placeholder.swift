// The first file of NEODatabase replaces this one.
