"""`python -m app.cli`, the same as `kehu`: for places that cannot rely on the script's first line, such as the Makefile."""

from app.cli import main

main(prog_name="kehu")
