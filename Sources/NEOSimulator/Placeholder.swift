// The first file of NEOSimulator replaces this one.
