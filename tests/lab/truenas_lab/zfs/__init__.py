"""ZFS as the lab knows it: the rules (`tree`), and the storage that keeps them over the data of an engine (`storage`)."""
