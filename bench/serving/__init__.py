"""`make bench-serving`: this serving image beside four other servers, on one pinned core, in interleaved rounds."""
