"""What the servers logged of requests, read back: its files, whole records of them, and the requests in those."""
