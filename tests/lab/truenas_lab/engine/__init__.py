"""Engines: what runs the containers behind the lab's API."""
