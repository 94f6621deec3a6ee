"""What an account says: what machines cost, what runs, what is left, and what it allows."""
