"""One file a command: paths in, paths out. The only place where the parts meet."""
