"""The sequential ranker's network: a transformer over all that a member was shown, and the head behind it."""
