// The first file of NEOMaster replaces this one.
