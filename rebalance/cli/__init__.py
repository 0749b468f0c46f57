"""The command line: one file a command, which parses and makes one call to its step."""
