"""One site's configuration: the rooms' settings composed, read from strict YAML, cross-checked, frozen."""
