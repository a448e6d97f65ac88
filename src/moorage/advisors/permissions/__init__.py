"""The permissions advisor: what RBAC grants, beside what audit logs show is used."""
