"""The central service: store, ingest, advice, actions, API, panel and the operator CLI."""
