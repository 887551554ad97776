"""agent/api/openapi.json, read and applied: which operations there are, and whether an answer is as described.

A validator of the part of JSON Schema that the description uses; a keyword that it does not know is an error,
so that nothing is described in vain.
"""
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
METHODS = ("get", "put", "post", "delete")
NOTES = {"description", "format", "contentEncoding", "default"}
TYPES = {"string": str, "integer": int, "boolean": bool, "array": list, "object": dict, "null": type(None)}


class Description:
    def __init__(self):
        self.document = json.loads((ROOT / "agent" / "api" / "openapi.json").read_text())
        self.used = set()

    def resolve(self, node):
        while "$ref" in node:
            assert node["$ref"].startswith("#/"), node["$ref"]
            self.used.add(node["$ref"])
            target = self.document
            for part in node["$ref"][2:].split("/"):
                target = target[part]
            node = target
        return node

    def operations(self):
        """(METHOD, path, operation), in order"""
        for path, item in self.document["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def find(self, method, target):
        """(path, operation) that `target` is of: the longest path that fits, names with slashes included; or None"""
        plain = target.split("?")[0]
        for path in sorted(self.document["paths"], key=lambda p: ("{" in p, -len(p))):
            pattern = re.escape(path).replace(r"\{name\}", ".*").replace(r"\{number\}", "[^/]+")
            if re.fullmatch(pattern, plain) and method.lower() in self.document["paths"][path]:
                return path, self.document["paths"][path][method.lower()]
        return None

    # --- values

    def complaints(self, schema, value, at="answer"):
        schema = self.resolve(schema)
        kinds = schema.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if kinds and not any(isinstance(value, TYPES[k]) and not (k == "integer" and isinstance(value, bool)) for k in kinds):
            return [f"{at}: {json.dumps(value)[:60]} is not of type {kinds}"]
        out = []
        for keyword, wanted in schema.items():
            if keyword not in NOTES | {"type", "required"}:
                out += getattr(self, "check_" + keyword)(schema, wanted, value, at)
        return out

    def check_const(self, _, wanted, value, at):
        return [] if value == wanted and type(value) is type(wanted) else [f"{at}: not {wanted!r}"]

    def check_enum(self, _, wanted, value, at):
        return [] if value in wanted else [f"{at}: {value!r} is none of {wanted}"]

    def check_pattern(self, _, wanted, value, at):
        return [] if re.search(wanted, value) else [f"{at}: {value!r} is not of the form {wanted}"]

    def check_minimum(self, _, wanted, value, at):
        return [] if value >= wanted else [f"{at}: {value} is less than {wanted}"]

    def check_maximum(self, _, wanted, value, at):
        return [] if value <= wanted else [f"{at}: {value} is more than {wanted}"]

    def check_maxLength(self, _, wanted, value, at):
        return [] if len(value) <= wanted else [f"{at}: longer than {wanted}"]

    def check_items(self, _, wanted, value, at):
        return [c for i, item in enumerate(value) for c in self.complaints(wanted, item, f"{at}[{i}]")]

    def check_properties(self, schema, wanted, value, at):
        out = [f"{at}.{name}: is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            if name in wanted:
                out += self.complaints(wanted[name], item, f"{at}.{name}")
        return out

    def check_additionalProperties(self, schema, wanted, value, at):
        out = []
        for name in value.keys() - schema.get("properties", {}).keys():
            out += [f"{at}.{name}: is not described"] if wanted is False else \
                self.complaints(wanted, value[name], f"{at}.{name}")
        return out

    def check_oneOf(self, _, wanted, value, at):
        tries = [self.complaints(s, value, at) for s in wanted]
        return [] if sum(not t for t in tries) == 1 else [f"{at}: fits {sum(not t for t in tries)} of {len(wanted)}: {tries}"]

    def check_allOf(self, _, wanted, value, at):
        return [c for s in wanted for c in self.complaints(s, value, at)]

    # --- answers

    def check(self, tag, method, target, answer):
        """raises unless an answer of a listener of that kind is as described: what is not there is refused"""
        found = self.find(method, target)
        if found and tag in found[1]["tags"]:
            return self.check_answer(found, f"{method} {target}: {answer.status}", answer)
        assert answer.status in (400, 403, 404, 405, 429), f"{method} {target}: {answer.status} is not described"

    def check_answer(self, found, what, answer):
        path, operation = found
        assert str(answer.status) in operation["responses"], f"{what} is not described for {path}: {answer.body[:300]}"
        response = self.resolve(operation["responses"][str(answer.status)])
        headers = {name.lower() for name in response.get("headers", {})}
        sent = set(answer.headers) - {"content-length", "content-type", "connection"}
        surplus = sent - headers - {"cache-control"}
        assert not surplus, f"{what}: headers that are not described: {surplus}"
        missing = headers - sent - {"retry-after"}
        assert not missing, f"{what}: headers that are described and not sent: {missing}"
        if "content" not in response:
            assert not answer.body, f"{what}: a body that is not described"
            return
        kind = answer.headers["content-type"]
        assert kind in response["content"], f"{what}: {kind} is not described"
        if "json" in kind:
            complaints = self.complaints(response["content"][kind]["schema"], answer.json)
            assert not complaints, f"{what}: " + "; ".join(complaints)
