"""What keeps the loop going: kopf's events, the queue, the stores, the scraper, and the small server for probes."""
