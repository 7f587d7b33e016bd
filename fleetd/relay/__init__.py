"""Northbound: outbox to MQTT, commands from MQTT."""
