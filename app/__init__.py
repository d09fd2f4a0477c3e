"""Kehu, a headless customer information service.

The rooms: `factory` puts one application together, `config` reads the environment, `cli` is the `kehu` command. `core` holds what
every feature may use and knows neither HTTP nor SQL; `db` is the way to PostgreSQL; `web` is the way to HTTP. The features are
`tokens`, `changes` and `customers`; inside each, `routes -> service -> queries -> models` are files of those names.
"""
