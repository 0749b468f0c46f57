"""What is timed and compared: run by `make demo`, `bench` and `paper`, not by the tests."""
