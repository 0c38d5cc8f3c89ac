// The first file of NEOControl replaces this one.
