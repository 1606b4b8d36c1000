"""From a request to a ranked slate: reading features, scoring, business rules, explanations."""
