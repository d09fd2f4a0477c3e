"""Bodies and answers of any length in flat memory: bytes to lines, lines to chunks, results and rows to bytes. Knows no feature."""
