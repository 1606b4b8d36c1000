"""Study (h): what collaborative features are worth, kind by kind, and what two more kinds would add."""
