"""The stream: pushed rows of event tables move counters and last activities in the online store at once."""
