"""What a run tells the person who waits for it: a board of its nodes, shown live or as plain lines, and a summary."""
