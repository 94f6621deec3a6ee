"""Sweeps: what is asked, the plan, carrying it out, and the journal of what happened."""
