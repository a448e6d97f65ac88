"""The embedded platform: processes, control planes and certificates on this machine."""
