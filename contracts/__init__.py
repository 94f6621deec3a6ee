"""The files that one stage hands to the next; standard library only."""
