"""The report of a sweep: an answer in words, and the evidence for it."""
