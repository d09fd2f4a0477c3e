"""The data that is measured on: made once for each scale, always the same, and kept between runs."""
