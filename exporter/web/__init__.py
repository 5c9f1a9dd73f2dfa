"""Who may see the endpoint, by a web configuration file: TLS, client certificates, passwords."""
