"""Terminal node controllers that speak KISS."""
