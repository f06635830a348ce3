"""The page at /docs: what can be asked, from the same document as /openapi.json; no script, nothing from elsewhere."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'",
    "x-content-type-options": "nosniff",
}
STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{font:14px/1.4 ui-monospace,monospace}pre{background:#8881;padding:.75rem;overflow:auto}"
    "summary{cursor:pointer;padding:.25rem 0}td{padding:0 1rem 0 0;vertical-align:top}"
    ":root{color-scheme:light dark}"
)


def html(document: Mapping[str, Any]) -> str:
    """The page for an OpenAPI document."""
    title = escape(document["info"]["title"])
    parts = [
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>',
        f'<h1>{title}</h1><p>As a document for tools: <a href="openapi.json">openapi.json</a></p>',
    ]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            parts += _operation(method, path, operation)
    parts.append("<h2>Bodies and answers</h2>")
    for name, schema in document.get("components", {}).get("schemas", {}).items():
        parts.append(
            f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>{_json(schema)}</details>'
        )
    return "\n".join(parts)


def _operation(method: str, path: str, operation: Mapping[str, Any]) -> Iterator[str]:
    told = escape(operation.get("description") or operation.get("summary") or "")
    yield f"<details><summary><code><b>{escape(method.upper())}</b> {escape(path)}</code> {told}</summary>"
    content = operation.get("requestBody", {}).get("content", {})
    for kind, body in content.items():
        yield f"<p>Body, <code>{escape(kind)}</code>:</p>{_json(body.get('schema', {}))}"
    yield "<table>"
    for status, answer in operation.get("responses", {}).items():
        kinds = "".join(_reference(body.get("schema", {})) for body in answer.get("content", {}).values())
        yield f"<tr><td><code>{escape(status)}</code><td>{escape(answer.get('description', ''))}<td>{kinds}"
    yield "</table></details>"


def _reference(schema: Mapping[str, Any]) -> str:
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return f'<a href="#{escape(name)}"><code>{escape(name)}</code></a>' if name else ""


def _json(schema: object) -> str:
    return f"<pre>{escape(json.dumps(schema, indent=2, ensure_ascii=False))}</pre>"
