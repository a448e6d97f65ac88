"""Audit logs as advisors read them: files, folders, gzip, rotated ones, on all cores."""
