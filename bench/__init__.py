"""Commands that measure the published figures; none of them is a test."""
