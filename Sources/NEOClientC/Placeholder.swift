// The first file of NEOClientC replaces this one.
