"""The machine that the lab stands on: packages, kernel limits, Incus's daemon, the image. Only the Incus engine needs it."""
