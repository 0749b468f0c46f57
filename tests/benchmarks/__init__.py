"""What is timed and compared: run by `make demo` and `make bench`, not by the tests."""
