"""As whom the management cluster is asked."""

from __future__ import annotations

import os
from pathlib import Path

from moorage.errors import MoorageError


def management_kubeconfig() -> Path:
    """Return the kubeconfig by which the management cluster is asked.

    ``MOORAGE_KUBECONFIG`` names it; without that it is the platform team's, of the platform on this machine.

    Raises:
        MoorageError: there is none.
    """
    named = os.environ.get("MOORAGE_KUBECONFIG")
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise MoorageError(
                f"MOORAGE_KUBECONFIG names {path}, which is not a file",
                hint="`moorage project kubeconfig NAME --as USER` writes one",
            )
        return path
    from moorage.local.errors import NotRunningError
    from moorage.local.home import Home

    home = Home.from_environment()
    if not home.admin_kubeconfig.is_file():
        raise NotRunningError(home.root)
    return home.admin_kubeconfig
