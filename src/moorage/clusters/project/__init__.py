"""One Project: its namespace, its members' rights, its use of its quota."""
