"""What every feature may use: errors, callers, ids, text, times, paging values. No HTTP and no SQL."""
