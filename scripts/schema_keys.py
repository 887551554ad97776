"""The keys of a JSON Schema of ours, section by section, with type, bounds, default and meaning.

A section is one object: "verifier (type \"local\")", "secrets.NAME.require". An object that several keys share
is one section, and said to be "as" the first of them.
"""
import dataclasses
import json
import re

# What stands for the free name in an object whose keys the operator chooses.
PLACES = {"sources": "NAME", "workloads": "ID", "secrets": "NAME", "prefixes": "FILE", "hosts": "HOST", "claims": "CLAIM"}
FORMS = {
    r"^/": "absolute path", r"^[0-9]{1,7}(ms|s|m|h|d)$": "duration", r"^[0-9]+(ms|s|m|h|d)$": "duration",
    r"^[A-Za-z0-9_.-]{1,64}$": "name of up to 64 of A-Z, a-z, 0-9, _ . -", r"^0[0-7]{3}$": "octal mode as text",
    r"^0x[0-9A-Fa-f]{1,16}$": "\"0x\" and up to 16 hexadecimal digits", r"^https://": "https address",
    r"^https://[!-~]*[!-.0-~]$": "https address without a slash at its end", r"/$": "text that ends in /",
    r"^sha256:[0-9a-f]{64}$": "\"sha256:\" and 64 hexadecimal digits", r"\.slice$": "text that ends in .slice",
    r"^([0-9a-fA-F]{64}|[0-9a-fA-F]{96})$": "64 or 96 hexadecimal digits",
    r"^vsock://[0-9]{1,10}:[0-9]{1,10}$": "vsock://CID:PORT", r"^/.*<id>[^/]*$": "path with <id> in its last part",
    r"^https?://[^/@?#]+:[0-9]{1,5}/?$": "http or https address with a port",
    r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$": "GUID in lower case",
}


@dataclasses.dataclass
class Key:
    names: list  # several where neighbours are of one kind (the numbers of PCRs)
    kind: str
    required: bool
    default: str
    meaning: str


@dataclasses.dataclass
class Section:
    title: str
    meaning: str
    keys: list


class Walker:
    def __init__(self, schema):
        self.schema, self.sections, self.titles, self.complaints = schema, [], {}, []

    def resolve(self, node):
        """the node with what its $ref names; its own members count"""
        while "$ref" in node:
            target = self.schema["$defs"][node["$ref"].rpartition("/")[2]]
            node = {**target, **{k: v for k, v in node.items() if k != "$ref"}} | (
                {"$ref": target["$ref"]} if "$ref" in target else {})
        return node

    def form(self, node):
        pattern = node.get("pattern")
        if pattern is None:
            bound = f" of at most {node['maxLength']} characters" if "maxLength" in node else ""
            return "text" + bound
        if pattern in FORMS:
            return FORMS[pattern]
        if m := re.fullmatch(r"\^\[0-9A-Fa-f\]\{(\d+)\}\$|\^\[0-9a-f\]\{(\d+)\}\$", pattern):
            return f"{m[1] or m[2]} hexadecimal digits"
        return f"text of the form {pattern}"

    def kind(self, node):
        node = self.resolve(node)
        if "const" in node:
            return json.dumps(node["const"])
        if "enum" in node:
            return "one of " + ", ".join(json.dumps(v) for v in node["enum"])
        if "oneOf" in node:
            return " or ".join(dict.fromkeys(self.kind(n) for n in node["oneOf"]))
        what = node.get("type", "object")
        if isinstance(what, list):
            return " or ".join({"string": "text"}.get(w, w) for w in what)
        if what == "integer":
            return f"integer from {node['minimum']} to {node['maximum']}" if "maximum" in node else "integer"
        if what == "array":
            few = f"{node['minItems']} to {node['maxItems']} of: " if "maxItems" in node and "minItems" in node else ""
            return f"list ({few}{self.kind(node['items'])})"
        return {"string": self.form(node), "boolean": "true or false"}.get(what, "object")

    def keys_of(self, node, title):
        out, before = [], None
        for name, given in node["properties"].items():
            value = self.resolve(given)
            if "description" not in value and "const" not in value:
                self.complaints.append(f"{title}: {name} has no description")
            if before == given and out:
                out[-1].names.append(name)
                continue
            before = given
            default = json.dumps(value["default"]) if "default" in value else ""
            out.append(Key([name], self.kind(value), name in node.get("required", []), default,
                           value.get("description", "")))
        return out

    def visit(self, node, title):
        name = node.get("$ref", "").rpartition("/")[2]
        node = self.resolve(node)
        if name and name in self.titles:
            return
        if "properties" in node:
            const = node["properties"].get("type", {}).get("const")
            here = f"{title} (type \"{const}\")" if const else title
            if name:
                self.titles[name] = here
            self.sections.append(Section(here, node.get("description", ""), self.keys_of(node, here)))
            for key, value in node["properties"].items():
                self.visit(value, key if title == "top level" else f"{here}.{key}")
        for alternative in node.get("oneOf", []):
            self.visit(alternative, title)
        if isinstance(node.get("items"), dict):
            self.visit(node["items"], title + "[]")
        if isinstance(node.get("additionalProperties"), dict):
            self.visit(node["additionalProperties"], f"{title}.{PLACES.get(title.rpartition('.')[2], 'NAME')}")


def read_sections(path):
    """the sections in order; raises when a key has no description"""
    walker = Walker(json.loads(path.read_text()))
    walker.visit(walker.schema, "top level")
    if walker.complaints:
        raise SystemExit(f"{path}: " + "; ".join(walker.complaints))
    return walker.sections
