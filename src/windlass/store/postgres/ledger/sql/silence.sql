SELECT set_config('windlass.silent', ?::text, true)
