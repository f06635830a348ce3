"""A person called ada with exactly the rights that a test gives her, and what the API server answers her."""

import json

from stage.kube import Object
from stage.programs import Programs


async def ada_may(tools: Programs, namespace: str, *rules: dict[str, list[str]]) -> None:
    """Give a person exactly these rights."""
    meta = {"name": "ada", "namespace": namespace}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": f"{group}/v1", "kind": "Role", "metadata": meta, "rules": list(rules)}
    binding = {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "ada"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": "ada"}],
    }
    for obj in (role, binding):
        await tools.kubectl("apply", "--filename=-", stdin=json.dumps(obj))


async def ada_says(tools: Programs, obj: Object, *words: str) -> str:
    """What the API server answers when ada creates an object (or would: nothing is kept): "created", or why not."""
    ran = await tools.try_kubectl(
        "create", "--as=ada", *(words or ("--dry-run=server",)), "--filename=-", stdin=json.dumps(obj)
    )
    return ran.err if ran.code else "created"
