"""Stream: pushed rows of event tables update counters and last activities in the online store at once."""
