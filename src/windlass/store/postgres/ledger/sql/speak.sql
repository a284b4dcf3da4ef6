SELECT set_config('windlass.silent', '', true) WHERE ? > 0
