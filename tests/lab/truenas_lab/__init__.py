"""A TrueNAS-compatible server for trying and testing the collection without an appliance."""
