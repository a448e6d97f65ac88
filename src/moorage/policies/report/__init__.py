"""What the judging came to, for people and for programs: one `Report`, and a printer for each format.

Importing this is cheap; a printer is imported when it is asked for.
"""
