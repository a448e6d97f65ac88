"""Advisors: what is granted, asked for or called and should not be, with evidence and a proved change."""
