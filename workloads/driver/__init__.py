"""The driver of one run: it works on the head, and writes down what happens."""
