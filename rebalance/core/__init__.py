"""The mathematics: arrays in, arrays out. No paths, no files, no command line."""
