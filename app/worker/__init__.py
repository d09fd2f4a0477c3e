"""`kehu worker`: what must happen later, beside the service and after what it answered. The loop, and what each service gives it to do."""
