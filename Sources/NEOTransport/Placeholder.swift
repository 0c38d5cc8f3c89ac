// The first file of NEOTransport replaces this one.
