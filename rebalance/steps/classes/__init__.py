"""The same steps for labels of many classes, each with its own rate and probability."""
